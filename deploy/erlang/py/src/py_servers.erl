%% @doc Which server takes a call.
%%
%% All servers are rows of one table that callers read. A call goes to the server that has the object it is about, or
%% those among its arguments; else to the server that its options name; else to the one that the scheduler chooses (see
%% {@link py_sched}). An object that lives on another node is found by way of `pg', in which every server has joined a
%% group for the tokens of its handles.
-module(py_servers).

-export([for_call/3, live/1, next_life/1, names/0, rows/0]).
-export([join/1, leave/1, set_group/2]).

-include("py_server.hrl").

%% How often a call that could not be written looks again for a port program that is being restarted.
-define(GLANCE, 10).
%% Bytes of a token that all handles of one bridge begin with.
-define(PREFIX, 16).

%% @doc The server for a call on `Object' with these arguments, or the one on another node that has the object.
%%
%% Handles are looked for in the object and in all arguments, however deep they stand in these. All of them must lead to
%% one server.
-spec for_call(py_options:options(), {object, term()} | none, {[term()], py:keywords()}) ->
    {ok, #server{}} | {remote, Owner :: pid()} | {failed, py_error:error()}.
for_call(Options, Object, {Positionals, Keywords}) ->
    case chosen(Options) of
        {ok, #server{prefix = Own}} = Chosen ->
            case handles(Object, handles(Positionals, handles(Keywords, []))) of
                [] -> Chosen;
                [{Own, _}] -> Chosen;
                Found -> placed(Found, object_prefix(Object), Chosen)
            end;
        Failed ->
            Failed
    end.

chosen(#{server := Name}) ->
    live(Name);
chosen(Options) ->
    try ets:lookup(py_servers, group) of
        [#group{names = [Name]}] -> live(Name);
        [#group{names = [_ | _] = Names, scheduler = Scheduler}] -> live(py_sched:choose(Scheduler, Names));
        [#group{}] -> {failed, py_error:make(pool_unavailable, "there is no server that takes calls", [])};
        [] -> when_started(Options, fun not_running/0)
    catch
        error:badarg -> when_started(Options, fun not_running/0)
    end.

%% A call that comes while the application starts waits for it.
when_started(Options, Otherwise) ->
    case is_starting() of
        true ->
            timer:sleep(?GLANCE),
            chosen(Options);
        false ->
            Otherwise()
    end.

is_starting() ->
    lists:keymember(py, 1, proplists:get_value(starting, application:info(), [])).

%% What the tokens of the handles in a term begin with, each once, and the type of one such handle.
handles({py_handle, <<Prefix:?PREFIX/binary, _/binary>>, Type}, Found) ->
    case lists:keymember(Prefix, 1, Found) of
        true -> Found;
        false -> [{Prefix, Type} | Found]
    end;
handles([Number | Others], Found) when is_integer(Number) ->
    handles(Others, Found);
handles([Element | Others], Found) ->
    handles(Others, handles(Element, Found));
handles(Tuple, Found) when is_tuple(Tuple) ->
    handles_in_tuple(Tuple, tuple_size(Tuple), Found);
handles(Map, Found) when is_map(Map), map_size(Map) > 0 ->
    maps:fold(fun(Key, Value, Sofar) -> handles(Value, handles(Key, Sofar)) end, Found, Map);
handles(_, Found) ->
    Found.

handles_in_tuple(_, 0, Found) -> Found;
handles_in_tuple(Tuple, Place, Found) -> handles_in_tuple(Tuple, Place - 1, handles(element(Place, Tuple), Found)).

object_prefix({object, {py_handle, <<Prefix:?PREFIX/binary, _/binary>>, _}}) -> Prefix;
object_prefix(_) -> none.

%% Where all of these handles are. One that leads nowhere is the business of the bridge that gets the call, unless it is
%% the very object.
placed(Found, Object, Chosen) ->
    Places = [{Prefix, Type, place(Prefix)} || {Prefix, Type} <- Found],
    Known = lists:usort([Place || {_, _, Place} <- Places, Place =/= nowhere]),
    case {Known, Object =/= none andalso lists:keyfind(Object, 1, Places)} of
        {_, {_, _, nowhere}} -> lost();
        {[], _} -> Chosen;
        {[{server, Name}], _} -> live(Name);
        {[{owner, Owner}], _} -> {remote, Owner};
        _ -> apart([{Type, Place} || {_, Type, Place} <- Places, Place =/= nowhere])
    end.

place(Prefix) ->
    case [Name || #server{name = Name, prefix = Known} <- rows(), Known =:= Prefix] of
        [Name] ->
            {server, Name};
        [] ->
            case [Owner || Owner <- pg:get_members(py, {handles, Prefix}), node(Owner) =/= node()] of
                [Owner | _] -> {owner, Owner};
                [] -> nowhere
            end
    end.

lost() ->
    Message = "this handle leads to no object: no server here or on a connected node has it (any more)",
    {failed, py_error:make(handle_lost, Message, [])}.

apart(Places) ->
    Shown = lists:join(", ", [[Type, " ", whereabouts(Place)] || {Type, Place} <- lists:reverse(Places)]),
    Message =
        "objects of different servers meet in this call (~ts): a call runs where its objects are, so make them on one "
        "server, or pass their values",
    {failed, py_error:make(handles_apart, Message, [Shown])}.

whereabouts({server, Name}) -> io_lib:format("on server ~tp", [Name]);
whereabouts({owner, Owner}) -> io_lib:format("on node ~ts", [node(Owner)]).

%% @doc The server's row. While its port program starts, wait for it: it answers as soon as it can be written to.
-spec live(atom()) -> {ok, #server{}} | {failed, py_error:error()}.
live(Name) ->
    try ets:lookup(py_servers, Name) of
        [#server{port = Port} = Server] when is_port(Port) -> {ok, Server};
        [#server{} = Server] -> next_life(Server);
        _ -> when_started(#{server => Name}, fun() -> no_server(Name) end)
    catch
        error:badarg -> when_started(#{server => Name}, fun not_running/0)
    end.

no_server(Name) ->
    {failed, py_error:make(pool_unavailable, "there is no server called ~tp", [Name])}.

not_running() ->
    Format = "the application py does not run: application:ensure_all_started(py) starts it",
    {failed, py_error:make(pool_unavailable, Format, [])}.

%% @doc The same server when it has another port: this one could not be written to, or it has none yet.
-spec next_life(#server{}) -> {ok, #server{}} | {failed, py_error:error()}.
next_life(#server{name = Name, port = Stale, patience = Patience}) ->
    next_life(Name, Stale, erlang:monotonic_time(millisecond) + Patience).

next_life(Name, Stale, Until) ->
    case ets:whereis(py_servers) =/= undefined andalso ets:lookup(py_servers, Name) of
        [#server{port = Port} = Server] when is_port(Port), Port =/= Stale ->
            {ok, Server};
        Found ->
            case Found =:= false orelse erlang:monotonic_time(millisecond) >= Until of
                true ->
                    {failed, py_error:make(disconnected, "the port program of server ~tp does not run", [Name])};
                false ->
                    timer:sleep(?GLANCE),
                    next_life(Name, Stale, Until)
            end
    end.

%% @doc The servers that take calls which name none, in the order in which they came.
-spec names() -> [atom()].
names() ->
    case ets:whereis(py_servers) =/= undefined andalso ets:lookup(py_servers, group) of
        [#group{names = Names}] -> Names;
        _ -> []
    end.

%% @doc Every server there is.
-spec rows() -> [#server{}].
rows() -> ets:match_object(py_servers, erlang:make_tuple(record_info(size, server), '_', [{1, server}])).

%% @doc From now on this server takes its share of the calls.
-spec join(atom()) -> ok.
join(Name) ->
    [#group{names = Names} = Group] = ets:lookup(py_servers, group),
    true = ets:insert(py_servers, Group#group{names = [Known || Known <- Names, Known =/= Name] ++ [Name]}),
    ok.

%% @doc And now no more.
-spec leave(atom()) -> ok.
leave(Name) ->
    [#group{names = Names} = Group] = ets:lookup(py_servers, group),
    true = ets:insert(py_servers, Group#group{names = [Known || Known <- Names, Known =/= Name]}),
    ok.

%% @doc All of them at once, and the scheduler.
-spec set_group([atom()], py_sched:scheduler()) -> ok.
set_group(Names, Scheduler) ->
    true = ets:insert(py_servers, #group{names = Names, scheduler = Scheduler}),
    ok.
