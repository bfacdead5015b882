%% @doc Calls as their callers write them: a name, then arguments, keyword arguments and options, each of which may be
%% left out from the end.
%%
%% A name is `Module, Function' or one dotted name, and a map at the end is always the options. What is read here goes to
%% {@link py_call}, {@link py_async} or {@link py_stream}.
-module(py_written).

-export([run/2, method/3, call/2, start/1, start_method/3, cast/1, cast_method/3, stream/1]).

-include("py_wire.hrl").

-type written() :: [term()].

%% @doc Call what is named, and wait.
-spec run(byte(), written()) -> term().
run(Op, Call) ->
    {Target, Positionals, Keywords, Options} = read_call(Call),
    py_call:run(Op, Target, none, {Positionals, Keywords}, Options).

%% @doc Call a method, and wait.
-spec method(term(), py:name(), written()) -> term().
method(Object, Name, Rest) ->
    {Positionals, Keywords, Options} = arguments(Rest),
    py_call:run(?OP_METHOD, py_wire:target(Name), {object, Object}, {Positionals, Keywords}, Options).

%% @doc Call an object, or what is named.
-spec call(py:handle() | py:name(), written()) -> term().
call({py_handle, _, _} = Callable, Rest) ->
    {Positionals, Keywords, Options} = arguments(Rest),
    py_call:run(?OP_OPERATOR, <<"call">>, {object, Callable}, {Positionals, Keywords}, Options);
call(Name, Rest) ->
    {Target, Positionals, Keywords, Options} = with_target(py_wire:target(Name), Rest),
    py_call:run(?OP_CALL, Target, none, {Positionals, Keywords}, Options).

%% @doc Begin a call.
-spec start(written()) -> py_async:future().
start(Call) ->
    {Target, Positionals, Keywords, Options} = read_call(Call),
    py_async:start(?OP_CALL, Target, none, {Positionals, Keywords}, Options).

%% @doc Begin to call a method.
-spec start_method(term(), py:name(), written()) -> py_async:future().
start_method(Object, Name, Rest) ->
    {Positionals, Keywords, Options} = arguments(Rest),
    py_async:start(?OP_METHOD, py_wire:target(Name), {object, Object}, {Positionals, Keywords}, Options).

%% @doc Call, and do not wait.
-spec cast(written()) -> ok | {error, py_error:error()}.
cast(Call) ->
    {Target, Positionals, Keywords, Options} = read_call(Call),
    py_call:cast(?OP_CALL, Target, none, {Positionals, Keywords}, Options).

%% @doc Call a method, and do not wait.
-spec cast_method(term(), py:name(), written()) -> ok | {error, py_error:error()}.
cast_method(Object, Name, Rest) ->
    {Positionals, Keywords, Options} = arguments(Rest),
    py_call:cast(?OP_METHOD, py_wire:target(Name), {object, Object}, {Positionals, Keywords}, Options).

%% @doc Open the stream of what a call gives.
-spec stream(written()) -> py_stream:stream().
stream(Call) ->
    {Target, Positionals, Keywords, Options} = read_call(Call),
    py_stream:open(Target, none, {Positionals, Keywords}, Options).

%% What stands before the arguments: `Module, Name' or one dotted name.
read_call([Module, Name | Rest]) when not is_list(Name), not is_map(Name) ->
    with_target(py_wire:target(Module, Name), Rest);
read_call([Dotted | Rest]) ->
    with_target(py_wire:target(Dotted), Rest).

with_target(Target, Rest) ->
    {Positionals, Keywords, Options} = arguments(Rest),
    {Target, Positionals, Keywords, Options}.

%% Each may be left out from the end; a map at the end is the options.
arguments([]) -> {[], [], #{}};
arguments([Options]) when is_map(Options) -> {[], [], Options};
arguments([Positionals]) -> {Positionals, [], #{}};
arguments([Positionals, Options]) when is_map(Options) -> {Positionals, [], Options};
arguments([Positionals, Keywords]) -> {Positionals, Keywords, #{}};
arguments([Positionals, Keywords, Options]) when is_map(Options) -> {Positionals, Keywords, Options};
arguments(Other) -> py_error:raise(bad_arguments, "options are a map, not ~0tp", [lists:last(Other)]).
