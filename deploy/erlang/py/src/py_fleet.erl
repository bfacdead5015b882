%% @doc Servers come and go: started, restarted without losing a call, removed.
%%
%% A server is a port program with its Python workers. The application starts the one called `default'; calls that name
%% none are shared by all that are there.
-module(py_fleet).

-export([add/1, add/2, remove/1, remove/2, restart/1, restart/2, restart_all/0, restart_workers/1]).
-export([workers/1, all_slots/2]).

-include("py_server.hrl").

%% How long a server that is to go may take for the calls that run, unless said otherwise.
-define(DRAIN, 60_000).
-define(LOOK, 10).
%% Milliseconds: less than any atom, so of this and infinity this is taken.
-define(AS_LONG_AS_IT_TAKES, 4_000_000_000).
%% So many looks at workers that have not changed, until the bridge is asked again to replace them.
-define(LOOKS_UNTIL_ASKED, 100).
%% So many looks without a call, one after the other.
-define(CALM, 10).

%% @doc Start another server, with the application's settings.
-spec add(atom()) -> {ok, pid()} | {error, term()}.
add(Name) -> add(Name, []).

%% @doc The same, with other settings (see {@link py_config}) than the application's.
-spec add(atom(), [{atom(), term()}] | map()) -> {ok, pid()} | {error, term()}.
add(Name, Settings) when is_map(Settings) -> add(Name, maps:to_list(Settings));
add(Name, _) when not is_atom(Name); Name =:= group; Name =:= turn ->
    {error, {bad_name, Name}};
add(Name, Settings) ->
    Environment = maps:to_list(maps:merge(maps:from_list(application:get_all_env(py)), maps:from_list(Settings))),
    case py_config:read(Name, Environment) of
        {ok, Config} -> one_at_a_time(Name, fun() -> start(Name, Config) end);
        {error, Reason} -> {error, {bad_configuration, unicode:characters_to_list(Reason)}}
    end.

start(Name, Config) ->
    try supervisor:start_child(py_sup, py_sup:child(Config)) of
        {ok, _} ->
            ok = py_servers:join(Name),
            {ok, #server{owner = Owner}} = py_servers:live(Name),
            {ok, Owner};
        {error, {already_started, _}} ->
            {error, {already_started, Name}};
        {error, Reason} ->
            forget(Name),
            {error, Reason}
    catch
        exit:{Reason, {gen_server, call, _}} -> {error, {not_running, Reason}}
    end.

%% @doc Let a server finish what it has, and stop it. Its objects are gone.
-spec remove(atom()) -> ok | {error, term()}.
remove(Name) -> remove(Name, ?DRAIN).

%% @doc The same, where what it has may take so many milliseconds.
-spec remove(atom(), timeout()) -> ok | {error, term()}.
remove(Name, Patience) ->
    one_at_a_time(Name, fun() ->
        case port_of(Name) of
            {ok, _, _, _} ->
                ok = py_servers:leave(Name),
                drain(ets:lookup(py_servers, Name), Patience),
                ok = supervisor:terminate_child(py_sup, Name),
                forget(Name),
                supervisor:delete_child(py_sup, Name);
            Error ->
                Error
        end
    end).

forget(Name) ->
    [true = ets:delete(py_servers, Key) || Key <- [Name, {watcher, Name}, {callbacks, Name}]],
    ok.

%% @doc Replace a server's port program by a new one. Calls go to the old one until the new one answers, and what the
%% old one has then is finished. The objects that it holds are gone.
%%
%% A server whose port program is down gets its new one now. When several ask for it at the same time each gets a
%% restart, one after the other. If the new program can't start, the old one stays.
-spec restart(atom()) -> ok | {error, term()}.
restart(Name) -> restart(Name, ?DRAIN).

-spec restart(atom(), timeout()) -> ok | {error, term()}.
restart(Name, Patience) ->
    one_at_a_time(Name, fun() ->
        case port_of(Name) of
            {ok, Supervisor, Spec, Old} -> replace(Name, Supervisor, Spec, Old, Patience);
            Error -> Error
        end
    end).

replace(Name, Supervisor, Spec, Old, Patience) ->
    Before = ets:lookup(py_servers, Name),
    case supervisor:start_child(Supervisor, Spec#{id => {port, erlang:unique_integer([positive])}}) of
        {ok, _} ->
            drain(Before, Patience),
            [
                begin
                    ok = supervisor:terminate_child(Supervisor, Id),
                    ok = supervisor:delete_child(Supervisor, Id)
                end
             || Id <- Old
            ],
            ok;
        {error, Reason} ->
            {error, Reason}
    end.

%% What changes a server is done by one process at a time, or two new port programs would both take it over.
one_at_a_time(Name, Change) ->
    global:trans({{?MODULE, Name}, self()}, Change, [node()]).

%% Where the owner of a server's port is supervised: its supervisor, its child spec, and its id there (with those that an
%% interrupted restart left). The supervisor answers once it is through with starting the port program again, if that has
%% died.
port_of(Name) ->
    try lists:keyfind(Name, 1, supervisor:which_children(py_sup)) of
        {Name, Supervisor, _, _} when is_pid(Supervisor) ->
            Children = supervisor:which_children(Supervisor),
            [Id | _] = Ids = [Id || {Id, _, _, _} <- Children, Id =:= port orelse element(1, Id) =:= port],
            {ok, Spec} = supervisor:get_childspec(Supervisor, Id),
            {ok, Supervisor, Spec, Ids};
        _ ->
            {error, {no_server, Name}}
    catch
        %% The application does not run, or is about to end.
        exit:{Reason, {gen_server, call, _}} -> {error, {not_running, Reason}}
    end.

%% @doc All servers, one after the other.
-spec restart_all() -> ok | {error, term()}.
restart_all() -> restart_each(servers()).

servers() ->
    case ets:whereis(py_servers) of
        undefined -> [];
        _ -> [Name || #server{name = Name} <- py_servers:rows()]
    end.

restart_each([]) ->
    ok;
restart_each([Name | Others]) ->
    case restart(Name) of
        {error, {no_server, Name}} -> restart_each(Others);
        ok -> restart_each(Others);
        Failed -> Failed
    end.

%% @doc Replace each Python worker of a server by a new one; the bridge takes care that no call is lost. Waits until all
%% are new.
-spec restart_workers(atom()) -> ok.
restart_workers(Name) ->
    Before = whole(Name),
    await_new(Name, Before, 0).

%% The lives of all workers, once all are there: one that is still being started would not be replaced.
whole(Name) ->
    Size = size_of(status(Name)),
    case active(Name) of
        Lives when length(Lives) >= Size ->
            Lives;
        _ ->
            timer:sleep(?LOOK),
            whole(Name)
    end.

active(Name) -> [{Slot, Life} || #{slot := Slot, incarnation := Life, state := <<"active">>} <- workers(Name)].

%% A bridge serves calls a little before it can replace workers: it is asked again as long as nothing has changed.
await_new(Name, Before, Looks) ->
    case active(Name) of
        Before when Looks rem ?LOOKS_UNTIL_ASKED =:= 0 ->
            _ = py_call:ask(#{<<"op">> => <<"restart">>}, #{server => Name, on_error => return}),
            await_more(Name, Before, Looks);
        Now when length(Now) >= length(Before) ->
            case Now -- Before of
                Now -> ok;
                _ -> await_more(Name, Before, Looks)
            end;
        _ ->
            await_more(Name, Before, Looks)
    end.

await_more(Name, Before, Looks) ->
    timer:sleep(?LOOK),
    await_new(Name, Before, Looks + 1).

%% @doc The Python workers of a server that take calls or are about to leave, in the order of their slots.
-spec workers(atom()) -> [#{slot := integer(), incarnation := integer(), pid := integer(), state := binary()}].
workers(Name) -> listed(status(Name)).

%% @doc The slots of all workers that a server is to have, once they take calls: those that start, or start again, are
%% waited for so many milliseconds.
-spec all_slots(atom(), timeout()) -> [non_neg_integer()].
all_slots(Name, Patience) ->
    Request = #{<<"op">> => <<"workers">>, <<"wait_ms">> => min(Patience, ?AS_LONG_AS_IT_TAKES)},
    case py_call:ask(Request, #{server => Name, on_error => raise}) of
        #{<<"why">> := Why} ->
            py_error:raise(pool_unavailable, "~ts", [Why]);
        #{<<"slots">> := Slots, <<"size">> := Size} when length(Slots) < Size ->
            py_error:raise(timeout, "~b of ~b workers of ~ts were there in time", [length(Slots), Size, Name]);
        #{<<"slots">> := Slots} ->
            lists:sort(Slots)
    end.

status(Name) -> py_call:ask(#{<<"op">> => <<"status">>}, #{server => Name, on_error => raise}).

size_of(#{<<"pools">> := Pools}) -> lists:sum([Count || #{<<"size">> := Count} <- maps:values(Pools)]).

listed(#{<<"workers">> := Workers}) ->
    lists:sort(fun(#{slot := A}, #{slot := B}) -> A =< B end, [
        #{slot => Slot, incarnation => Life, pid => Pid, state => State}
     || #{<<"slot">> := Slot, <<"incarnation">> := Life, <<"pid">> := Pid, <<"state">> := State} <- Workers
    ]).

%% Until it has had no call without an answer for a while (a caller that has found it in the table just now is about to
%% write to it), or the time is up.
drain([#server{calls = Calls}], infinity) -> drain(Calls, infinity, ?CALM);
drain([#server{calls = Calls}], Patience) -> drain(Calls, erlang:monotonic_time(millisecond) + Patience, ?CALM);
drain([], _) -> ok.

drain(_, _, 0) ->
    ok;
drain(Calls, Until, Calm) ->
    case Until =/= infinity andalso erlang:monotonic_time(millisecond) >= Until of
        true ->
            ok;
        false ->
            timer:sleep(?LOOK),
            case unanswered(Calls) of
                0 -> drain(Calls, Until, Calm - 1);
                gone -> ok;
                _ -> drain(Calls, Until, ?CALM)
            end
    end.

%% Monitors of handles have no caller that waits.
unanswered(Calls) ->
    try
        ets:select_count(Calls, [{{'_', '_', '$1'}, [{is_pid, '$1'}], [true]}])
    catch
        error:badarg -> gone
    end.
