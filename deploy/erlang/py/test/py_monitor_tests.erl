%% Whoever monitors an object hears once that it is gone, whatever became of it. (Of nodes: see py_cluster_SUITE.)
-module(py_monitor_tests).

-include_lib("eunit/include/eunit.hrl").
-include("../src/py_server.hrl").

-export([
    a_released_object/0,
    an_object_whose_worker_was_killed/0,
    an_object_stays_while_its_worker_is_replaced/0,
    an_object_whose_port_program_was_killed/0,
    an_object_whose_server_was_removed/0,
    an_object_of_an_application_that_is_stopped/0,
    an_object_that_is_gone_already/0,
    an_object_that_never_was/0,
    each_monitor_tells_once/0,
    a_monitor_that_was_taken_back_tells_nothing/0,
    a_monitor_ends_with_its_owner/0,
    monitors_taken_back_while_their_objects_go/0,
    what_is_no_handle_is_refused/0
]).

py_monitor_test_() ->
    {setup, fun py_test_server:start/0, fun py_test_server:stop/1, [
        {atom_to_list(Name), {timeout, 120, fun ?MODULE:Name/0}}
     || {Name, 0} <- ?MODULE:module_info(exports), not lists:member(Name, [module_info, test, py_monitor_test_])
    ]}.

%% An object that the bridge is watching for us.
monitored() -> monitored(#{}).

monitored(Options) ->
    Account = py:init(py_fixture, 'Account', [], [], Options),
    {Account, monitored_as(Account)}.

monitored_as(Handle) ->
    Before = watched(),
    Monitor = py:monitor(Handle),
    py_test_server:await(fun() -> watched() > Before end),
    Monitor.

watched() -> lists:sum([length(ets:match_object(Calls, {'_', '_', monitor})) || #server{calls = Calls} <- py_servers:rows()]).

reason(Handle) -> receive {py_down, Handle, Reason} -> Reason end.

quiet(Change) ->
    ok = logger:set_primary_config(level, none),
    Change(),
    ok = logger:set_primary_config(level, notice).

a_released_object() ->
    {Account, _} = monitored(),
    ok = py:release(Account),
    ?assertEqual(released, reason(Account)).

an_object_whose_worker_was_killed() ->
    {Account, _} = monitored(),
    [] = os:cmd(io_lib:format("kill -9 ~b", [py:method(Account, worker)])),
    ?assertEqual(worker_lost, reason(Account)),
    %% Its name leads nowhere now.
    ?assertMatch({error, #{kind := handle_lost}}, py:attr(Account, balance, #{on_error => return})).

an_object_stays_while_its_worker_is_replaced() ->
    {Account, _} = monitored(),
    ok = py:restart_workers(),
    ?assertEqual(1, py:method(Account, deposit, [1])),
    ok = py:release(Account),
    ?assertEqual(released, reason(Account)).

an_object_whose_port_program_was_killed() ->
    {Account, _} = monitored(),
    quiet(fun() ->
        [] = os:cmd(io_lib:format("kill -9 ~b", [py_test_server:os_pid()])),
        ?assertEqual(disconnected, reason(Account)),
        ?assertEqual(42, py:add(37, 5))
    end).

an_object_whose_server_was_removed() ->
    {ok, _} = py:add_server(second, #{workers => 1}),
    {Account, _} = monitored(#{server => second}),
    ok = py:remove_server(second),
    ?assertEqual(disconnected, reason(Account)).

an_object_of_an_application_that_is_stopped() ->
    {Account, _} = monitored(),
    py_test_server:stop([]),
    ?assertEqual(disconnected, reason(Account)),
    _ = py:monitor(Account),
    ?assertEqual(noproc, reason(Account)),
    py_test_server:start().

an_object_that_is_gone_already() ->
    Account = py:init(py_fixture, 'Account'),
    ok = py:release(Account),
    {error, #{kind := handle_lost}} = py:attr(Account, balance, #{on_error => return}),
    _ = py:monitor(Account),
    ?assertEqual(noproc, reason(Account)).

an_object_that_never_was() ->
    Forged = {py_handle, binary:copy(<<"x">>, 60), <<"Account">>},
    _ = py:monitor(Forged),
    ?assertEqual(noproc, reason(Forged)),
    Malformed = {py_handle, <<"short">>, <<"Account">>},
    _ = py:monitor(Malformed),
    ?assertEqual(noproc, reason(Malformed)).

each_monitor_tells_once() ->
    {Account, _} = monitored(),
    _ = monitored_as(Account),
    Other = py:init(py_fixture, 'Account'),
    _ = monitored_as(Other),
    ok = py:release(Account),
    ?assertEqual([released, released], [reason(Account), reason(Account)]),
    ok = py:release(Other),
    ?assertEqual(released, reason(Other)),
    ?assertEqual({messages, []}, process_info(self(), messages)).

a_monitor_that_was_taken_back_tells_nothing() ->
    {Account, Monitor} = monitored(),
    Kept = monitored_as(Account),
    ok = py:demonitor(Monitor),
    ok = py:release(Account),
    ?assertEqual(released, reason(Account)),
    ?assertEqual({messages, []}, process_info(self(), messages)),
    %% Even when it had told already.
    _ = py:monitor(Account),
    Late = py:monitor(Account),
    py_test_server:await(fun() -> {message_queue_len, 2} =:= process_info(self(), message_queue_len) end),
    ok = py:demonitor(Late),
    ?assertEqual(noproc, reason(Account)),
    ok = py:demonitor(Kept),
    ?assertEqual({messages, []}, process_info(self(), messages)),
    py_test_server:await(fun() -> watched() =:= 0 end).

a_monitor_ends_with_its_owner() ->
    Account = py:init(py_fixture, 'Account'),
    {Owner, Ref} = spawn_monitor(fun() -> _ = monitored_as(Account), exit(done) end),
    receive {'DOWN', Ref, process, Owner, done} -> ok end,
    py_test_server:await(fun() -> watched() =:= 0 end),
    ?assertEqual(0, py:attr(Account, balance)).

what_is_no_handle_is_refused() ->
    ?assertMatch(#{kind := bad_arguments}, py_test_server:failure(fun() -> py:monitor({"date", {1923, 4, 2}}) end)).

%% The two cross on their way: that the object went, and that nobody wants to know.
monitors_taken_back_while_their_objects_go() ->
    Pid = py:func(os, getpid, [], #{worker => 0}),
    [
        begin
            Account = py:init(py_fixture, 'Account', [], [], #{worker => 0}),
            Monitor = py:monitor(Account),
            ok = py:release(Account),
            ok = py:demonitor(Monitor)
        end
     || _ <- lists:seq(1, 300)
    ],
    py_test_server:await(fun() -> watched() =:= 0 end),
    ?assertEqual({messages, []}, process_info(self(), messages)),
    ?assertEqual(Pid, py:func(os, getpid, [], #{worker => 0})).
