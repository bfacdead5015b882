%% Servers come and go, and calls are shared among them.
-module(py_fleet_tests).

-include_lib("eunit/include/eunit.hrl").
-include("../src/py_server.hrl").

-export([
    an_added_server_takes_its_share/0,
    each_scheduler_chooses_a_server/0,
    a_scheduler_that_fails_is_answered_for/0,
    a_removed_server_finishes_what_it_has/0,
    an_object_is_found_on_the_server_that_has_it/0,
    objects_of_different_servers_do_not_meet/0,
    what_can_not_start_is_refused_and_others_served/0,
    a_restarted_server_loses_no_call/0,
    a_server_that_is_down_is_restarted_as_well/0,
    two_restarts_at_a_time_are_two_restarts/0,
    a_restart_that_was_given_up_leaves_nothing/0,
    what_is_no_server_can_not_be_restarted/0,
    a_monitored_object_holds_no_restart_up/0,
    restarted_workers_lose_no_call/0,
    a_worker_that_dies_is_replaced_by_the_bridge/0,
    lfe_finds_its_functions/0
]).
-export([only_second/1, fails/1]).

py_fleet_test_() ->
    {setup, fun py_test_server:start/0, fun py_test_server:stop/1, [
        {atom_to_list(Name), {timeout, 120, fun ?MODULE:Name/0}}
     || {Name, 0} <- ?MODULE:module_info(exports), not lists:member(Name, [module_info, test, py_fleet_test_])
    ]}.

parent() -> py:func(os, getppid).

an_added_server_takes_its_share() ->
    Alone = parent(),
    {ok, Pid} = py:add_server(second, #{workers => 1, scheduler => first}),
    ?assertEqual([default, second], py_servers:names()),
    ?assertEqual(Pid, lists:last(py:'get-python-pids'())),
    There = py:func(os, getppid, #{server => second}),
    ?assertNotEqual(Alone, There),
    ok = py_servers:set_group([default, second], round_robin),
    ?assertEqual(lists:sort([Alone, There]), lists:usort([parent() || _ <- lists:seq(1, 10)])),
    ?assertEqual({error, {already_started, second}}, py:add_server(second)).

only_second([_, Second | _]) -> Second.

fails(_) -> error(no_choice).

each_scheduler_chooses_a_server() ->
    There = py:func(os, getppid, #{server => second}),
    Here = py:func(os, getppid, #{server => default}),
    [
        begin
            ok = py_servers:set_group([default, second], Scheduler),
            ?assertEqual({Scheduler, Expected}, {Scheduler, lists:usort([parent() || _ <- lists:seq(1, 3)])}),
            ?assert(lists:member(py_sched:next_pid(), py_sched:pids()))
        end
     || {Scheduler, Expected} <- [
            {first, [Here]},
            {oldest, [Here]},
            {youngest, [There]},
            {{?MODULE, only_second}, [There]},
            {fun lists:last/1, [There]},
            {{'py-sched', youngest}, [There]}
        ]
    ],
    [
        begin
            ok = py_servers:set_group([default, second], Scheduler),
            ?assert(lists:member(parent(), [Here, There]))
        end
     || Scheduler <- [random, least_reductions, least_messages_in, {'py-sched', 'least-reductions'}]
    ].

a_scheduler_that_fails_is_answered_for() ->
    ok = logger:set_primary_config(level, none),
    Here = py:func(os, getppid, #{server => default}),
    [
        begin
            ok = py_servers:set_group([default, second], Scheduler),
            ?assertEqual(Here, parent())
        end
     || Scheduler <- [{?MODULE, fails}, fun(_) -> nobody end]
    ],
    ok = logger:set_primary_config(level, notice),
    ok = py_servers:set_group([default, second], round_robin).

an_object_is_found_on_the_server_that_has_it() ->
    Account = py:init(py_fixture, 'Account', [], [], #{server => second}),
    ?assertEqual(lists:seq(1, 10), [py:method(Account, deposit, [1]) || _ <- lists:seq(1, 10)]),
    ?assertEqual("Account", py:func(py_fixture, kind_of, [Account], #{server => default})),
    [
        ?assertEqual(Kind, py:func(py_fixture, kind_of, [Argument], #{server => default}))
     || {Kind, Argument} <- [{"list", [1, [Account]]}, {"tuple", {a, {Account}}}, {"dict", #{key => [Account]}}]
    ],
    ?assertMatch([{"account", _}], py:func(py_fixture, keywords, [], [{account, [Account]}], #{server => default})),
    ?assertEqual(30, py:func(py_fixture, total, [[Account, {Account, #{inner => Account}}]], #{server => default})).

objects_of_different_servers_do_not_meet() ->
    There = py:init(py_fixture, 'Account', [], [], #{server => second}),
    Here = py:init(builtins, range, [3], [], #{server => default}),
    [
        begin
            {error, #{kind := handles_apart, message := Message}} = Call(#{on_error => return}),
            [
                ?assertMatch({_, _}, binary:match(Message, Named))
             || Named <- [<<"py_fixture.Account on server second">>, <<"range on server default">>]
            ]
        end
     || Call <- [
            fun(Options) -> py:func(py_fixture, kind_of, [[There, Here]], Options) end,
            fun(Options) -> py:method(There, deposit, [#{amount => Here}], Options) end,
            fun(Options) -> py:func(py_fixture, keywords, [], [{one, There}, {other, {Here}}], Options) end
        ]
    ],
    %% What leads nowhere is told by the bridge that gets the call.
    Forged = setelement(2, There, binary:replace(element(2, There), <<"bsc">>, <<"bsd">>)),
    ?assertMatch({error, #{kind := handle_lost}}, py:attr(Forged, balance, #{on_error => return})),
    ?assertEqual(1, py:method(There, deposit, [1])).

a_removed_server_finishes_what_it_has() ->
    Marker = py_test_server:marker(),
    Future = py:async(py_fixture, wait_for, [Marker, <<"finished">>], #{server => second}),
    _ = py_test_server:read(<<Marker/binary, ".started">>),
    Self = self(),
    spawn_link(fun() -> Self ! {removed, py:remove_server(second)} end),
    py_test_server:await(fun() -> py_servers:names() =:= [default] end),
    py_test_server:touch(<<Marker/binary, ".go">>),
    ?assertEqual("finished", py:await(Future)),
    ?assertEqual(ok, receive {removed, How} -> How end),
    ?assertEqual({error, {no_server, second}}, py:remove_server(second)),
    ?assertMatch({error, #{kind := pool_unavailable}}, py:func(os, getpid, #{server => second, on_error => return})).

what_can_not_start_is_refused_and_others_served() ->
    ?assertMatch({error, {bad_configuration, _}}, py:add_server(third, [{workers, 0}])),
    ok = logger:set_primary_config(level, none),
    ?assertMatch({error, _}, py:add_server(third, [{command, "/bin/false"}])),
    ok = logger:set_primary_config(level, notice),
    ?assertEqual([default], py_servers:names()),
    ?assertEqual(42, py:add(37, 5)).

%% Callers that never stop, until they are told; how many calls each made, if none failed.
without_a_lost_call(Change) ->
    Self = self(),
    Callers = [
        spawn_link(fun() -> Self ! {self(), calling(0)} end)
     || _ <- lists:seq(1, 8)
    ],
    Change(),
    [Caller ! stop || Caller <- Callers],
    [receive {Caller, Calls} -> ?assert(Calls > 0) end || Caller <- Callers].

calling(Calls) ->
    receive
        stop -> Calls
    after 0 ->
        Calls = py:func(py_fixture, slowly, [Calls]),
        calling(Calls + 1)
    end.

a_restarted_server_loses_no_call() ->
    Before = py_test_server:os_pid(),
    without_a_lost_call(fun() -> ok = py:rolling_restart() end),
    ?assertNotEqual(Before, py_test_server:os_pid()),
    py_test_server:await(fun() -> py_test_server:gone(Before) end).

%% Its port program was killed, and may not even have been missed yet.
a_server_that_is_down_is_restarted_as_well() ->
    ok = logger:set_primary_config(level, none),
    [
        begin
            Before = py_test_server:os_pid(),
            [] = os:cmd("kill -9 " ++ integer_to_list(Before)),
            ?assertEqual(ok, py:restart_server(default)),
            ?assertEqual(42, py:add(37, 5)),
            ?assertNotEqual(Before, py_test_server:os_pid())
        end
     || _ <- [1, 2]
    ],
    ok = logger:set_primary_config(level, notice).

two_restarts_at_a_time_are_two_restarts() ->
    Before = py_test_server:os_pid(),
    Self = self(),
    without_a_lost_call(fun() ->
        Restarts = [spawn_link(fun() -> Self ! {self(), py:restart_server(default)} end) || _ <- [1, 2]],
        [receive {Pid, Outcome} -> ?assertEqual(ok, Outcome) end || Pid <- Restarts]
    end),
    ?assertNotEqual(Before, py_test_server:os_pid()),
    %% And one port program is left.
    {default, Supervisor, _, _} = lists:keyfind(default, 1, supervisor:which_children(py_sup)),
    ?assertEqual(3, length(supervisor:which_children(Supervisor))).

a_restart_that_was_given_up_leaves_nothing() ->
    Marker = py_test_server:marker(),
    Future = py:async(py_fixture, wait_for, [Marker, <<"answered">>]),
    _ = py_test_server:read(<<Marker/binary, ".started">>),
    Before = py_test_server:os_pid(),
    Impatient = spawn(fun() -> py:restart_server(default) end),
    py_test_server:await(fun() -> py_test_server:os_pid() =/= Before end),
    exit(Impatient, kill),
    py_test_server:touch(<<Marker/binary, ".go">>),
    ?assertEqual("answered", py:await(Future)),
    ?assertEqual(ok, py:restart_server(default)),
    py_test_server:await(fun() -> py_test_server:gone(Before) end).

what_is_no_server_can_not_be_restarted() ->
    ?assertEqual({error, {no_server, nowhere}}, py:restart_server(nowhere)),
    ?assertEqual({error, {no_server, nowhere}}, py:remove_server(nowhere)),
    py_test_server:stop([]),
    [
        ?assertMatch({error, {not_running, _}}, Outcome)
     || Outcome <- [py:restart_server(default), py:remove_server(default), py:add_server(more)]
    ],
    ?assertEqual(ok, py:rolling_restart()),
    py_test_server:start([]).

a_monitored_object_holds_no_restart_up() ->
    Range = py:range(3),
    _ = py:monitor(Range),
    %% As soon as the bridge knows of it.
    py_test_server:await(fun() -> [] =/= ets:match_object(calls(), {'_', '_', monitor}) end),
    ok = py_fleet:restart(default, infinity),
    ?assertEqual(disconnected, receive {py_down, Range, Reason} -> Reason end).

calls() ->
    [#server{calls = Calls}] = ets:lookup(py_servers, default),
    Calls.

restarted_workers_lose_no_call() ->
    Port = py_test_server:os_pid(),
    Before = [Pid || #{pid := Pid} <- py:workers()],
    without_a_lost_call(fun() -> ok = py:restart_workers() end),
    ?assertEqual(Port, py_test_server:os_pid()),
    ?assertEqual([], [Pid || #{pid := Pid, state := <<"active">>} <- py:workers(), lists:member(Pid, Before)]).

a_worker_that_dies_is_replaced_by_the_bridge() ->
    Port = py_test_server:os_pid(),
    #{kind := worker_lost} = py_test_server:failure(fun() -> py:func(py_fixture, die) end),
    py_test_server:await(fun() -> length([1 || #{state := <<"active">>} <- py:workers()]) =:= 2 end),
    ?assertEqual(Port, py_test_server:os_pid()).

lfe_finds_its_functions() ->
    ?assertEqual(whereis(py_sup), py:'get-sup-pid'()),
    [Pid] = py:'get-python-pids'(),
    ?assertEqual(Pid, 'py-sched':'get-next-pid'()),
    [?assertEqual(Pid, 'py-sched':Name()) || Name <- ['get-first', random, 'least-reductions', 'least-messages-in', youngest, oldest]],
    ?assertMatch([{default, Pid, worker, [py_port]}], 'py-sup':'get-children'()),
    ?assertMatch([[{pid, Pid}, {reductions, R}, {'messages-in', _}, {'start-time', [_]}]] when R > 0, 'py-sup':'get-child-stats'()),
    ?assertMatch([{specs, _} | _], 'py-sup':'get-stats'()),
    ?assertEqual(2, 'py-config':get('worker-count')),
    ?assertEqual(3, 'py-config':'get-erlport-max-restarts'()),
    {ok, _} = 'py-sup':'add-server'(lfe, [{'worker-count', 1}, {'python-path', "/tmp"}]),
    ?assertMatch([_], py:workers(lfe)),
    ok = 'py-sup':'remove-server'(lfe),
    Versions = 'py-util':'get-versions'(),
    ?assertEqual([erlang, emulator, 'driver-version', bascule, py, python], [Key || {Key, _} <- Versions, Key =/= lfe]),
    [_, _] = [true = io_lib:char_list(Line) || Line <- proplists:get_value(python, Versions)],
    ?assertEqual([os, path], 'py-util':'split-dotted'('os.path')),
    ?assert('py-util':'dotted?'('os.path')),
    ?assertEqual(65536.0, ('py-util':'make-func'(math, pow))([2, 16])),
    ?assertEqual([{<<"a">>, 1}], 'py-util':'proplist->binary'([{"a", 1}])).
