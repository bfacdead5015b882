%% @doc Which server takes the next call, where there are several.
%%
%% A scheduler is the name of a function in here, `{Module, Function}' of your own, or a fun. A function without
%% arguments gives the pid of a server; one with an argument is given the pids of all that take calls, oldest first.
%%
%% Within a server, its bridge gives calls to Python workers; the setting `worker_scheduler' says how.
-module(py_sched).

-export([choose/2, next_pid/0, pids/0]).
-export([first/1, random/1, least_reductions/1, least_messages_in/1, youngest/1, oldest/1, round_robin/1]).

-export_type([scheduler/0]).

-include("py_server.hrl").

-type scheduler() ::
    first
    | random
    | least_reductions
    | least_messages_in
    | youngest
    | oldest
    | round_robin
    | {module(), atom()}
    | fun(([pid()]) -> pid()).

%% @doc One of these servers. A scheduler that fails, or gives what is no server, is answered for by the first.
-spec choose(scheduler(), [atom(), ...]) -> atom().
choose(Scheduler, [First | _] = Names) ->
    Servers = [Server || Name <- Names, #server{} = Server <- ets:lookup(py_servers, Name)],
    Pids = [Owner || #server{owner = Owner} <- Servers],
    try chosen(Scheduler, Pids) of
        Pid ->
            case lists:keyfind(Pid, #server.owner, Servers) of
                #server{name = Name} -> Name;
                false -> First
            end
    catch
        Class:Reason:Stack ->
            logger:error("the scheduler ~0tp failed: ~0tp", [Scheduler, {Class, Reason, Stack}], #{domain => [py]}),
            First
    end.

chosen(Name, Pids) when is_atom(Name) -> ?MODULE:Name(Pids);
chosen(Fun, Pids) when is_function(Fun, 1) -> Fun(Pids);
chosen(Fun, _) when is_function(Fun, 0) -> Fun();
chosen({Module, Function}, Pids) ->
    _ = code:ensure_loaded(Module),
    case erlang:function_exported(Module, Function, 1) of
        true -> Module:Function(Pids);
        false -> Module:Function()
    end.

%% @doc The server that a call made now would go to, as a pid.
-spec next_pid() -> pid().
next_pid() ->
    [#group{names = Names, scheduler = Scheduler}] = ets:lookup(py_servers, group),
    [#server{owner = Owner}] = ets:lookup(py_servers, choose(Scheduler, Names)),
    Owner.

%% @doc The servers that take calls, oldest first.
-spec pids() -> [pid()].
pids() ->
    [Owner || Name <- py_servers:names(), #server{owner = Owner} <- ets:lookup(py_servers, Name)].

%% @doc Always the first.
first([Pid | _]) -> Pid.

%% @doc Any.
random(Pids) -> lists:nth(rand:uniform(length(Pids)), Pids).

%% @doc The next one after the one chosen last.
round_robin(Pids) ->
    Turn = ets:update_counter(py_servers, turn, {3, 1}, {turn, turn, 0}),
    lists:nth(Turn rem length(Pids) + 1, Pids).

%% @doc The one whose Erlang process has done least.
least_reductions(Pids) -> least(reductions, Pids).

%% @doc The one with the fewest answers waiting in its mailbox.
least_messages_in(Pids) -> least(message_queue_len, Pids).

%% @doc The one that was started last.
youngest(Pids) -> lists:last(by_age(Pids)).

%% @doc The one that was started first.
oldest(Pids) -> hd(by_age(Pids)).

least(What, Pids) ->
    {_, Pid} = lists:min([{element(2, process_info(Each, What)), Each} || Each <- Pids, is_process_alive(Each)]),
    Pid.

by_age(Pids) ->
    Ages = [{Started, Owner} || #server{owner = Owner, started_at = Started} <- py_servers:rows()],
    [Owner || {_, Owner} <- lists:sort(Ages), lists:member(Owner, Pids)].
