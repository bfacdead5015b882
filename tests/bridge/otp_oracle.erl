%% What OTP's own supervisor does with the scenarios of test_restart_against_otp.py.
%%
%% A scenario is {Flags, Children, Ops}. Each operation is answered by one line on standard output: what was started,
%% failed to start and stopped, in order, then the children, or `over`.
-module(otp_oracle).
-behaviour(supervisor).
-export([main/1, init/1, start/1]).

main(File) ->
    {ok, Scenarios} = file:consult(File),
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    lists:foreach(fun run/1, Scenarios),
    halt(0).

run({Flags, Children, Ops}) ->
    log = ets:new(log, [named_table, public, ordered_set]),
    broken = ets:new(broken, [named_table, public]),
    {ok, Sup} = supervisor:start_link(?MODULE, {Flags, Children}),
    ets:delete_all_objects(log),
    perform(Sup, Ops),
    stop(Sup),
    ets:delete(log),
    ets:delete(broken),
    io:format("end~n").

init({{Strategy, Intensity, Auto}, Children}) ->
    Flags = #{strategy => Strategy, intensity => Intensity, period => 3600, auto_shutdown => Auto},
    {ok, {Flags, [spec(Child) || Child <- Children]}}.

spec({Id, Restart, Significant}) ->
    #{id => Id, start => {?MODULE, start, [Id]}, restart => Restart, significant => Significant, shutdown => 5000}.

start(Id) ->
    case ets:lookup(broken, Id) of
        [{Id, N}] when N > 0 ->
            ets:insert(broken, {Id, N - 1}),
            log("fail", Id),
            {error, broken};
        _ ->
            log("start", Id),
            proc_lib:start_link(erlang, apply, [fun up/1, [Id]])
    end.

%% It says that it is up when it would hear that it is to stop.
up(Id) ->
    process_flag(trap_exit, true),
    proc_lib:init_ack({ok, self()}),
    live(Id).

live(Id) ->
    receive
        {leave, Reason} -> exit(Reason);
        {'EXIT', _, Reason} -> log("stop", Id), exit(Reason)
    end.

log(What, Id) ->
    ets:insert(log, {erlang:unique_integer([monotonic]), What, Id}).

perform(_Sup, []) -> ok;
perform(Sup, [Op | Ops]) ->
    op(Sup, Op),
    settle(Sup),
    Effects = [io_lib:format("~s ~s", [What, Id]) || {_, What, Id} <- ets:tab2list(log)],
    ets:delete_all_objects(log),
    case is_process_alive(Sup) of
        true ->
            Kids = [io_lib:format("~s ~s", [Id, phase(Pid)]) || {Id, Pid, _, _} <- supervisor:which_children(Sup)],
            io:format("~s|~s~n", [lists:join(",", Effects), lists:join(",", lists:sort(Kids))]),
            perform(Sup, Ops);
        false ->
            io:format("~s|over~n", [lists:join(",", Effects)])
    end.

phase(undefined) -> "stopped";
phase(restarting) -> "restarting";
phase(Pid) when is_pid(Pid) -> "running".

op(Sup, {exit, Id, Reason, Broken}) ->
    [ets:insert(broken, Each) || Each <- Broken],
    case lists:keyfind(Id, 1, supervisor:which_children(Sup)) of
        {Id, Pid, _, _} when is_pid(Pid) ->
            Ref = monitor(process, Pid),
            Pid ! {leave, Reason},
            receive {'DOWN', Ref, _, _, _} -> ok end;
        _ -> ok
    end;
op(Sup, {terminate, Id}) -> supervisor:terminate_child(Sup, Id);
op(Sup, {restart, Id}) -> supervisor:restart_child(Sup, Id);
op(Sup, {delete, Id}) -> supervisor:delete_child(Sup, Id);
op(Sup, {add, Child}) -> supervisor:start_child(Sup, spec(Child)).

%% Until the supervisor has nothing left to do: it casts its retries to itself.
settle(Sup) ->
    timer:sleep(1),
    try
        lists:foreach(fun(_) -> sys:get_state(Sup) end, lists:seq(1, 20)),
        {message_queue_len, 0} = process_info(Sup, message_queue_len)
    catch _:_ -> ok
    end,
    case is_process_alive(Sup) andalso process_info(Sup, message_queue_len) of
        {message_queue_len, N} when N > 0 -> settle(Sup);
        _ -> ok
    end.

stop(Sup) ->
    unlink(Sup),
    Ref = monitor(process, Sup),
    exit(Sup, shutdown),
    receive {'DOWN', Ref, _, _, _} -> ok end,
    receive {'EXIT', Sup, _} -> ok after 0 -> ok end.
