%% @doc Which server takes a call.
%%
%% All servers are rows of one table that callers read. A call goes to the server that its options name; else to the one
%% that has the object it is about, or one of its arguments; else to the server that the scheduler chooses (see
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

%% @doc The server for a call on `Object' with these arguments, or the node that has the object.
-spec for_call(py_options:options(), {object, term()} | none, {[term()], py:keywords()}) ->
    {ok, #server{}} | {remote, node()} | {failed, py_error:error()}.
for_call(Options, Object, {Positionals, _}) ->
    case chosen(Options) of
        {ok, #server{prefix = Prefix}} = Chosen ->
            case elsewhere(Object, Positionals, Prefix) of
                none -> Chosen;
                {Token, Whose} -> owner_of(Token, Whose, Chosen)
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

%% A handle that another server has: the object, else one of the arguments.
elsewhere({object, {py_handle, <<Prefix:?PREFIX/binary, _/binary>>, _}}, Positionals, Prefix) ->
    elsewhere(none, Positionals, Prefix);
elsewhere({object, {py_handle, Token, _}}, _, _) when is_binary(Token) ->
    {Token, object};
elsewhere(Object, [{py_handle, <<Prefix:?PREFIX/binary, _/binary>>, _} | Positionals], Prefix) ->
    elsewhere(Object, Positionals, Prefix);
elsewhere(_, [{py_handle, Token, _} | _], _) when is_binary(Token) ->
    {Token, argument};
elsewhere(Object, [_ | Positionals], Prefix) ->
    elsewhere(Object, Positionals, Prefix);
elsewhere(_, _, _) ->
    none.

owner_of(<<Prefix:?PREFIX/binary, _/binary>>, Whose, Chosen) ->
    case [Server || #server{prefix = Known} = Server <- rows(), Known =:= Prefix] of
        [#server{name = Name}] ->
            live(Name);
        [] ->
            case pg:get_members(py, {handles, Prefix}) of
                [Owner | _] when node(Owner) =/= node() -> {remote, node(Owner)};
                _ when Whose =:= argument -> Chosen;
                _ -> lost()
            end
    end;
owner_of(_, argument, Chosen) ->
    Chosen;
owner_of(_, object, _) ->
    lost().

lost() ->
    Message = "this handle leads to no object: no server here or on a connected node has it (any more)",
    {failed, py_error:make(handle_lost, Message, [])}.

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
