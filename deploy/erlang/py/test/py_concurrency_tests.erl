%% Many processes call through one port.
-module(py_concurrency_tests).

-include_lib("eunit/include/eunit.hrl").
-include("../src/py_server.hrl").

-export([
    each_of_many_callers_gets_its_own_answers/0,
    quick_calls_overtake_slow_ones/0,
    large_and_small_payloads_mix/0,
    a_callers_mailbox_stays_clean/0,
    a_callers_mailbox_is_not_searched/0,
    a_timeout_stops_the_work/0,
    a_dead_callers_call_is_cancelled/0,
    all_calls_of_many_dead_callers_are_cancelled/0,
    late_answers_are_dropped/0
]).

py_concurrency_test_() ->
    {setup, fun py_test_server:start/0, fun py_test_server:stop/1, [
        {timeout, 120, fun ?MODULE:Name/0}
     || {Name, 0} <- ?MODULE:module_info(exports), not lists:member(Name, [module_info, test, py_concurrency_test_])
    ]}.

%% Run each fun in a process of its own; their values in order.
together(Funs) ->
    Self = self(),
    Workers = [
        spawn_monitor(fun() -> Self ! {self(), Fun()} end)
     || Fun <- Funs
    ],
    [
        receive
            {Pid, Value} ->
                demonitor(Monitor, [flush]),
                Value;
            {'DOWN', Monitor, process, Pid, Reason} ->
                error(Reason)
        end
     || {Pid, Monitor} <- Workers
    ].

each_of_many_callers_gets_its_own_answers() ->
    Callers = 200,
    Calls = 50,
    Answers = together([
        fun() -> [py:add(Caller * Calls, Number) || Number <- lists:seq(1, Calls)] end
     || Caller <- lists:seq(1, Callers)
    ]),
    ?assertEqual(
        [[Caller * Calls + Number || Number <- lists:seq(1, Calls)] || Caller <- lists:seq(1, Callers)], Answers
    ).

quick_calls_overtake_slow_ones() ->
    Marker = py_test_server:marker(),
    Self = self(),
    Slow = spawn_link(fun() -> Self ! {self(), py:func(py_fixture, wait_for, [Marker, <<"slow">>])} end),
    _ = py_test_server:read(<<Marker/binary, ".started">>),
    %% The slow one runs, and lets go only when these have been answered.
    ?assertEqual(lists:seq(2, 101), [py:add(Number, 1) || Number <- lists:seq(1, 100)]),
    py_test_server:touch(<<Marker/binary, ".go">>),
    ?assertEqual("slow", receive {Slow, Answer} -> Answer end).

large_and_small_payloads_mix() ->
    Large = binary:copy(<<0, 1, 2, 255>>, 4 bsl 20),
    [Whole | Small] = together([
        fun() -> py:func(py_fixture, echo, [{bytes, Large}]) =:= Large end
        | [fun() -> [py:add(Caller, Number) || Number <- lists:seq(1, 20)] end || Caller <- lists:seq(1, 10)]
    ]),
    ?assert(Whole),
    ?assertEqual([[Caller + Number || Number <- lists:seq(1, 20)] || Caller <- lists:seq(1, 10)], Small).

a_callers_mailbox_stays_clean() ->
    self() ! {other, message},
    42 = py:add(37, 5),
    {error, #{}} = py:truediv(1, 0, #{on_error => return}),
    ?assertEqual({messages, [{other, message}]}, process_info(self(), messages)),
    ?assertEqual({monitors, []}, process_info(self(), monitors)),
    receive {other, message} -> ok end.

%% A reduction is counted for each message that a receive looks at.
a_callers_mailbox_is_not_searched() ->
    [?assertEqual({What, few}, {What, reductions_beside_messages(Do)}) || {What, Do} <- ways_to_wait()].

ways_to_wait() ->
    Await = fun(Future) -> 42 = py:await(Future) end,
    Range = fun(Window) -> py:stream(py_fixture, count_to, [20], #{window => Window}) end,
    [
        {call, fun() -> 42 = py:add(37, 5) end},
        {ask, fun() -> #{} = py:status() end},
        {await, fun() -> Await(py:async(operator, add, [37, 5])) end},
        {await_all, fun() -> [42, 42] = py:await_all([py:async(operator, add, [37, 5]) || _ <- [1, 2]]) end},
        {yield, fun() -> {value, 42} = py:yield(py:async(operator, add, [37, 5]), 60_000) end},
        {yield_and_await, fun() ->
            Future = py:async(operator, add, [37, 5]),
            _ = py:yield(Future, 0) =:= timeout andalso Await(Future)
        end},
        {await_in_vain, fun() ->
            {error, #{kind := timeout}} = py:await(py:async(time, sleep, [60], [], #{on_error => return}), 1)
        end},
        {cancel, fun() -> ok = py:cancel(py:async(time, sleep, [60])) end},
        {stream, fun() -> 190 = py_stream:fold(fun erlang:'+'/2, 0, Range(4)) end},
        {closed_stream, fun() ->
            Stream = Range(4),
            {ok, 0} = py_stream:next(Stream),
            ok = py_stream:close(Stream)
        end},
        {pmap, fun() -> [-1, -2, -3, -4] = py:pmap(operator, neg, [1, 2, 3, 4], #{chunk => 1}) end},
        {gather, fun() -> [42, 1.0] = py:gather(py:scatter([{operator, add, [37, 5]}, {math, sqrt, [1]}])) end},
        {failed_gather, fun() ->
            #{kind := python} = py_test_server:failure(fun() -> py:pmap(math, sqrt, [1, -1, 1], #{chunk => 1}) end)
        end},
        {identical, fun() -> [_, _] = py:identical(all, {os, getpid, []}) end},
        {reduce, fun() -> 10 = py:reduce(operator, add, [1, 2, 3, 4], #{chunk => 2}) end},
        {monitor, fun() ->
            Object = py:range(3),
            ok = py:demonitor(py:monitor(Object)),
            ok = py:release(Object)
        end}
    ].

reductions_beside_messages(Do) ->
    Messages = 100_000,
    [Reductions] = together([
        fun() ->
            [self() ! {unrelated, Number} || Number <- lists:seq(1, Messages)],
            _ = Do(),
            {reductions, Before} = process_info(self(), reductions),
            _ = Do(),
            {reductions, After} = process_info(self(), reductions),
            {message_queue_len, Messages} = process_info(self(), message_queue_len),
            After - Before
        end
    ]),
    case Reductions < Messages div 2 of
        true -> few;
        false -> Reductions
    end.

a_timeout_stops_the_work() ->
    py_test_server:with_enough_time(fun(Milliseconds) ->
        Marker = py_test_server:marker(),
        Hang = fun() -> py:func(py_fixture, hang, [Marker], #{timeout => Milliseconds}) end,
        ?assertMatch(#{kind := timeout}, py_test_server:failure(Hang)),
        py_test_server:has_begun(Marker) andalso
            begin
                %% By an exception, so the worker goes on.
                Started = py_test_server:read(<<Marker/binary, ".started">>),
                ?assertEqual(Started, py_test_server:read(<<Marker/binary, ".stopped">>)),
                true
            end
    end),
    ?assertEqual(42, py:add(37, 5)).

a_dead_callers_call_is_cancelled() ->
    Marker = py_test_server:marker(),
    Caller = spawn(fun() -> py:func(py_fixture, hang, [Marker]) end),
    Started = py_test_server:read(<<Marker/binary, ".started">>),
    exit(Caller, kill),
    ?assertEqual(Started, py_test_server:read(<<Marker/binary, ".stopped">>)),
    ?assertEqual(42, py:add(37, 5)).

all_calls_of_many_dead_callers_are_cancelled() ->
    %% Two of them run, the others wait: no one's call may keep a worker from this process.
    Markers = [py_test_server:marker() || _ <- lists:seq(1, 40)],
    Callers = [spawn(fun() -> py:func(py_fixture, hang, [Marker]) end) || Marker <- Markers],
    py_test_server:await(fun() -> length(pending()) >= 40 end),
    [exit(Caller, kill) || Caller <- Callers],
    ?assertEqual(42, py:add(37, 5)),
    py_test_server:await(fun() -> pending() =:= [] end).

pending() ->
    [#server{calls = Calls}] = ets:lookup(py_servers, default),
    ets:tab2list(Calls).

late_answers_are_dropped() ->
    %% The work does not notice the exception for a while, so answer and timeout cross.
    Calls = [py:func(time, sleep, [0.002], #{timeout => 2, on_error => return}) || _ <- lists:seq(1, 50)],
    ?assertEqual([], [Call || Call <- Calls, not lists:member(element(1, Call), [ok, error])]),
    ?assertEqual(42, py:add(37, 5)),
    ?assertEqual({messages, []}, process_info(self(), messages)).
