%% Workers and port programs that die, and what callers get.
-module(py_fault_tests).

-include_lib("eunit/include/eunit.hrl").
-include("../src/py_server.hrl").

-export([
    a_killed_worker_fails_only_its_own_call/0,
    a_handle_of_a_dead_worker_is_lost/0,
    a_killed_port_program_is_told_to_its_callers_and_started_again/0,
    calls_made_while_the_port_program_starts_wait_for_it/0,
    a_handle_of_an_earlier_port_program_is_lost/0,
    a_killed_owner_or_watcher_is_replaced/0,
    too_many_deaths_end_the_application/0,
    stopping_leaves_no_port_program_and_tells_the_callers/0,
    rubbish_arguments_are_refused_and_others_served/0,
    an_unknown_call_may_be_cancelled/0,
    small_packets_bound_what_a_call_may_carry/0
]).

py_fault_test_() ->
    [
        {setup, fun py_test_server:start/0, fun py_test_server:stop/1, {timeout, 120, fun ?MODULE:Name/0}}
     || {Name, 0} <- ?MODULE:module_info(exports),
        not lists:member(Name, [module_info, test, py_fault_test_, small_packets_bound_what_a_call_may_carry])
    ] ++
        [
            {setup, fun() -> py_test_server:start([{packet, Packet}]) end, fun py_test_server:stop/1,
                {timeout, 120, fun ?MODULE:small_packets_bound_what_a_call_may_carry/0}}
         || Packet <- [1, 2]
        ].

quiet(Fun) ->
    #{level := Level} = logger:get_primary_config(),
    ok = logger:set_primary_config(level, none),
    try
        Fun()
    after
        ok = logger:set_primary_config(level, Level)
    end.

%% Call from a process of its own; its outcome comes as {Tag, Outcome}.
call(Tag, Call) ->
    Self = self(),
    spawn_link(fun() ->
        Self !
            {Tag,
                try
                    {ok, Call()}
                catch
                    error:{py_error, Error} -> {error, Error}
                end}
    end).

outcome(Tag) ->
    receive
        {Tag, Outcome} -> Outcome
    end.

kill(OsPid) ->
    [] = os:cmd(io_lib:format("kill -9 ~b", [OsPid])),
    py_test_server:await(fun() -> py_test_server:gone(OsPid) end).

a_killed_worker_fails_only_its_own_call() ->
    [First, Second] = [py_test_server:marker() || _ <- [1, 2]],
    call(first, fun() -> py:func(py_fixture, wait_for, [First, <<"first">>]) end),
    call(second, fun() -> py:func(py_fixture, wait_for, [Second, <<"second">>]) end),
    Victim = binary_to_integer(py_test_server:read(<<First/binary, ".started">>)),
    _ = py_test_server:read(<<Second/binary, ".started">>),
    kill(Victim),
    {error, #{kind := worker_lost, message := Message, details := Details}} = outcome(first),
    ?assertMatch({_, _}, binary:match(Message, <<"SIGKILL">>)),
    ?assertMatch(#{signal := _}, Details),
    ?assertEqual(42, py:add(37, 5)),
    py_test_server:touch(<<Second/binary, ".go">>),
    ?assertEqual({ok, "second"}, outcome(second)),
    %% Both places are taken again.
    Pids = fun() -> lists:usort([py:func(os, getpid) || _ <- lists:seq(1, 20)]) end,
    ?assertNot(lists:member(Victim, Pids())).

a_handle_of_a_dead_worker_is_lost() ->
    Account = py:init(py_fixture, 'Account'),
    kill(py:method(Account, worker)),
    ?assertMatch({error, #{kind := handle_lost}}, py:attr(Account, balance, #{on_error => return})),
    ?assertEqual(42, py:add(37, 5)).

a_killed_port_program_is_told_to_its_callers_and_started_again() ->
    Markers = [py_test_server:marker() || _ <- lists:seq(1, 20)],
    [call(Marker, fun() -> py:func(py_fixture, hang, [Marker]) end) || Marker <- Markers],
    py_test_server:await(fun() -> length(pending()) >= 20 end),
    Before = py_test_server:os_pid(),
    quiet(fun() ->
        kill(Before),
        [
            begin
                {error, #{kind := disconnected, message := Message}} = outcome(Marker),
                ?assertEqual(<<"the port program died (by signal 9) before the answer came">>, Message)
            end
         || Marker <- Markers
        ],
        %% A call that was not written waits for the next port program.
        ?assertEqual(42, py:add(37, 5))
    end),
    ?assertNotEqual(Before, py_test_server:os_pid()).

pending() ->
    [#server{calls = Calls}] = ets:lookup(py_servers, default),
    ets:tab2list(Calls).

calls_made_while_the_port_program_starts_wait_for_it() ->
    quiet(fun() ->
        kill(py_test_server:os_pid()),
        [call(Number, fun() -> py:add(Number, 1, #{timeout => 60_000}) end) || Number <- lists:seq(1, 50)],
        %% Written before the death was seen: told so. After it: answered.
        [
            case outcome(Number) of
                {ok, Answer} -> ?assertEqual(Number + 1, Answer);
                {error, #{kind := Kind}} -> ?assertEqual(disconnected, Kind)
            end
         || Number <- lists:seq(1, 50)
        ],
        ?assertEqual(42, py:add(37, 5))
    end).

a_handle_of_an_earlier_port_program_is_lost() ->
    Account = py:init(py_fixture, 'Account'),
    quiet(fun() ->
        Before = py_test_server:port(),
        kill(py_test_server:os_pid()),
        py_test_server:await(fun() -> py_test_server:port() =/= Before end),
        ?assertEqual(42, py:add(37, 5)),
        ?assertMatch({error, #{kind := handle_lost}}, py:attr(Account, balance, #{on_error => return}))
    end).

a_killed_owner_or_watcher_is_replaced() ->
    quiet(fun() ->
        [
            begin
                Before = py_test_server:os_pid(),
                Marker = py_test_server:marker(),
                call(Marker, fun() -> py:func(py_fixture, hang, [Marker]) end),
                _ = py_test_server:read(<<Marker/binary, ".started">>),
                [#server{owner = Owner, watcher = Watcher}] = ets:lookup(py_servers, default),
                exit(maps:get(Which, #{owner => Owner, watcher => Watcher}), kill),
                ?assertMatch({error, #{kind := disconnected}}, outcome(Marker)),
                ?assertEqual(42, py:add(37, 5)),
                %% A port program whose port is closed ends by itself.
                py_test_server:await(fun() -> py_test_server:gone(Before) end)
            end
         || Which <- [owner, watcher]
        ]
    end).

too_many_deaths_end_the_application() ->
    ok = application:stop(py),
    quiet(fun() ->
        _ = py_test_server:start([{max_restarts, 1}, {restart_period, 3600}]),
        Ref = monitor(process, whereis(py_sup)),
        42 = py:add(37, 5),
        First = py_test_server:port(),
        kill(py_test_server:os_pid()),
        py_test_server:await(fun() -> is_port(py_test_server:port()) andalso py_test_server:port() =/= First end),
        42 = py:add(37, 5),
        kill(py_test_server:os_pid()),
        receive {'DOWN', Ref, process, _, shutdown} -> ok end,
        ?assertMatch(
            {error, #{kind := pool_unavailable}}, outcome_of(fun() -> py:add(37, 5) end)
        )
    end).

outcome_of(Call) ->
    call(now, Call),
    outcome(now).

stopping_leaves_no_port_program_and_tells_the_callers() ->
    Marker = py_test_server:marker(),
    call(pending, fun() -> py:func(py_fixture, hang, [Marker]) end),
    Worker = binary_to_integer(py_test_server:read(<<Marker/binary, ".started">>)),
    OsPid = py_test_server:os_pid(),
    quiet(fun() -> ok = application:stop(py) end),
    ?assertMatch({error, #{}}, outcome(pending)),
    py_test_server:await(fun() -> py_test_server:gone(OsPid) andalso py_test_server:gone(Worker) end),
    ?assertMatch({error, #{kind := pool_unavailable}}, outcome_of(fun() -> py:add(37, 5) end)).

%% Frames that no function of py writes, registered as a call of this process.
raw(Payload) ->
    [#server{owner = Owner, port = Port, calls = Calls}] = ets:lookup(py_servers, default),
    Id = erlang:unique_integer([positive]),
    Alias = monitor(process, Owner, [{alias, demonitor}]),
    true = ets:insert(Calls, {Id, Alias, self()}),
    true = port_command(Port, [<<1, 3, 0:16, Id:64/little, 0:64>>, Payload]),
    receive
        {Alias, 3, Error} ->
            demonitor(Alias, [flush]),
            py_error:decode(Error);
        {Alias, _, Other} ->
            error({answered, Other});
        {'DOWN', Alias, process, _, Reason} ->
            error(Reason)
    end.

rubbish_arguments_are_refused_and_others_served() ->
    Before = py_test_server:os_pid(),
    Head = <<1, 0, 0:16, 8:16/little, 0:16, "math:pow">>,
    Deep = iolist_to_binary([131, lists:duplicate(100_000, <<108, 0, 0, 0, 1>>), 106, lists:duplicate(100_000, 106)]),
    [
        begin
            #{kind := Kind} = raw(Payload),
            ?assert(lists:member(Kind, [bad_arguments, refused, not_found, python])),
            ?assertEqual(42, py:add(37, 5))
        end
     || Payload <- [
            <<>>,
            <<1>>,
            <<99, 0, 0:16, 0:16, 0:16>>,
            <<1, 0, 0:16, 16#ffff:16/little, 0:16>>,
            [Head, <<0>>],
            [Head, <<131>>],
            [Head, <<131, 109, 16#7fffffff:32, "short">>],
            [Head, <<131, 108, 16#7fffffff:32, 106>>],
            [Head, Deep],
            [Head, term_to_binary(not_a_list)],
            [Head, term_to_binary([[1], [2], [3]])],
            [Head, term_to_binary([[1], not_keywords])]
        ]
    ],
    ?assertEqual(Before, py_test_server:os_pid()).

an_unknown_call_may_be_cancelled() ->
    [#server{port = Port, watcher = Watcher}] = ets:lookup(py_servers, default),
    Watcher ! {cancel, 1 bsl 60},
    true = port_command(Port, <<8, 3, 0:16, 77:64/little, 0:64, 1:32/little>>),
    true = port_command(Port, [<<10, 3, 0:16, 0:64, 0:64>>, binary:copy(<<"x">>, 61)]),
    ?assertEqual(42, py:add(37, 5)).

small_packets_bound_what_a_call_may_carry() ->
    {ok, Packet} = application:get_env(py, packet),
    Before = py_test_server:os_pid(),
    ?assertEqual(42, py:add(37, 5)),
    Large = {bytes, binary:copy(<<0>>, 1 bsl (8 * Packet))},
    ?assertMatch({error, #{kind := bad_arguments}}, py:func(builtins, len, [Large], #{on_error => return})),
    ?assertMatch({error, #{kind := bad_arguments}}, py:cast(builtins, len, [Large], #{on_error => return})),
    %% And so for an answer.
    {error, #{kind := not_encodable, message := Message}} =
        py:operator(mul, [{bytes, <<0>>}, 1 bsl (8 * Packet)], #{on_error => return}),
    ?assertMatch({_, _}, binary:match(Message, <<"start the port with {packet, 4}">>)),
    ?assertEqual(42, py:add(37, 5)),
    ?assertEqual(Before, py_test_server:os_pid()).
