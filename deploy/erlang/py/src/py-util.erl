%% @doc What LFE py has beside: versions, names, proplists.
-module('py-util').

-export(['get-versions'/0, 'get-erlport-version'/0, 'get-py-version'/0, 'get-python-version'/0, 'get-bascule-version'/0]).
-export(['proplist->binary'/1, 'split-last'/1, 'split-dotted'/1, 'dotted?'/1, 'get-worker-names'/0]).
-export(['make-func'/2, 'make-funcs'/2, 'make-kwarg-func'/2, 'make-kwarg-funcs'/2]).

%% @doc What runs here. `lfe' is there where LFE is, `python' is a list of two strings, as `sys.version' has two lines.
'get-versions'() ->
    [
        {erlang, erlang:system_info(otp_release)},
        {emulator, erlang:system_info(version)},
        {'driver-version', erlang:system_info(driver_version)}
    ] ++ lfe() ++
        [{bascule, 'get-bascule-version'()}, {py, 'get-py-version'()}, {python, 'get-python-version'()}].

lfe() ->
    _ = application:load(lfe),
    case application:get_key(lfe, vsn) of
        {ok, Version} -> [{lfe, Version}];
        undefined -> []
    end.

%% @doc There is no ErlPort beneath: Bascule's version.
'get-erlport-version'() -> 'get-bascule-version'().

'get-bascule-version'() ->
    #{<<"bascule">> := Version} = py:status(#{on_error => raise}),
    unicode:characters_to_list(Version).

'get-py-version'() ->
    _ = application:load(py),
    {ok, Version} = application:get_key(py, vsn),
    Version.

'get-python-version'() ->
    Version = py:const(sys, version, #{strings => charlist, on_error => raise}),
    %% The compiler stands in brackets; whether that is a line of its own depends on the Python.
    case string:split(Version, "[", trailing) of
        [First, Compiler] -> [string:trim(First), [$[ | string:trim(Compiler)]];
        [First] -> [First, ""]
    end.

%% @doc Charlists among the keys and values of a proplist as binaries, as Python's text.
'proplist->binary'(Proplist) ->
    [{py_error:text(Key), py_error:text(Value)} || {Key, Value} <- Proplist].

%% @doc All but the last, and the last.
'split-last'(List) -> {lists:droplast(List), lists:last(List)}.

%% @doc The parts of a dotted name, as atoms where there are such.
'split-dotted'(Name) -> [known(Part) || Part <- string:split(text(Name), ".", all)].

'dotted?'(Name) -> lists:member($., text(Name)).

text(Name) when is_atom(Name) -> atom_to_list(Name);
text(Name) when is_binary(Name) -> unicode:characters_to_list(Name);
text(Name) -> Name.

known(Part) ->
    try
        list_to_existing_atom(Part)
    catch
        error:badarg -> Part
    end.

%% @doc The names of the servers.
'get-worker-names'() -> py_servers:names().

%% @doc A fun that calls a Python function with a list of arguments.
'make-func'(Module, Function) -> fun(Arguments) -> py:func(Module, Function, Arguments) end.

'make-funcs'(Module, Functions) -> [{Function, 'make-func'(Module, Function)} || Function <- Functions].

%% @doc The same with keyword arguments after them.
'make-kwarg-func'(Module, Function) ->
    fun(Arguments, Keywords) -> py:func(Module, Function, Arguments, Keywords) end.

'make-kwarg-funcs'(Module, Functions) -> [{Function, 'make-kwarg-func'(Module, Function)} || Function <- Functions].
