%% Python on several nodes: this one and others that are started here, all on the loopback interface.
-module(py_cluster_SUITE).

-include_lib("common_test/include/ct.hrl").
-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, end_per_testcase/2]).
-export([
    a_node_that_has_no_py_gets_it/1,
    a_call_runs_on_the_node_that_is_named/1,
    a_call_runs_on_any_node/1,
    a_call_runs_on_all_nodes/1,
    a_map_runs_on_all_nodes_in_order/1,
    a_node_that_is_not_there_is_an_error/1,
    options_that_are_no_map_are_refused/1,
    calls_of_a_node_that_goes_down_are_reported/1,
    what_may_run_again_is_done_by_the_nodes_that_are_left/1,
    a_handle_is_called_on_the_node_that_owns_it/1,
    a_handle_within_an_argument_leads_to_its_node/1,
    a_call_that_is_begun_goes_there_too/1,
    a_stream_comes_from_there/1,
    a_monitored_object_of_another_node_is_released/1,
    many_calls_go_where_their_objects_are/1,
    what_is_printed_there_is_seen_here/1,
    a_caller_that_dies_takes_its_call_there_back/1,
    what_a_dead_caller_has_running_on_nodes_is_stopped/1,
    a_handle_of_a_node_that_is_down_is_lost/1,
    a_monitor_tells_that_the_node_is_down/1,
    a_call_under_way_learns_that_the_node_is_down/1,
    a_python_error_of_another_node_is_that_error/1
]).

all() ->
    %% Those in which the node goes down come last: each of them costs another one.
    Last = [calls_of_a_node_that_goes_down_are_reported, what_may_run_again_is_done_by_the_nodes_that_are_left],
    Others = [init_per_suite, end_per_suite, module_info],
    [Name || {Name, 1} <- ?MODULE:module_info(exports), not lists:member(Name, Last ++ Others)] ++ Last.

suite() -> [{timetrap, {seconds, 120}}].

init_per_suite(Config) ->
    _ = py_test_server:start(),
    Config.

end_per_suite(_) ->
    stop_peer(persistent_term:get(?MODULE, none)),
    py_test_server:stop([]).

%% Another node with its own bridge; it has the fixtures, and no code of py until it is given it. The next test has the
%% same one, unless it went down or was left without servers.
init_per_testcase(_, Config) ->
    {Peer, Node} =
        case persistent_term:get(?MODULE, none) of
            {_, There} = Known ->
                case lists:member(There, py_cluster:nodes()) of
                    true ->
                        Known;
                    false ->
                        stop_peer(Known),
                        start_peer()
                end;
            none ->
                start_peer()
        end,
    [{peer, Peer}, {node, Node} | Config].

start_peer() ->
    {ok, Peer, Node} = peer:start(#{
        name => peer:random_name(?MODULE),
        host => "127.0.0.1",
        longnames => true,
        connection => standard_io,
        args => ["-setcookie", atom_to_list(erlang:get_cookie())]
    }),
    ok = persistent_term:put(?MODULE, {Peer, Node}),
    pong = net_adm:ping(Node),
    {ok, Path} = application:get_env(py, path),
    ok = py_cluster:start(Node, [{workers, 2}, {path, Path}]),
    py_test_server:await(fun() -> lists:member(Node, py_cluster:nodes()) end),
    {Peer, Node}.

stop_peer(none) -> ok;
stop_peer({Peer, _}) -> catch peer:stop(Peer).

end_per_testcase(_, Config) ->
    %% What a test has stopped has left the groups before the next one looks.
    case net_adm:ping(?config(node, Config)) of
        pong -> ok;
        pang -> py_test_server:await(fun() -> py_cluster:nodes() =:= [node()] end)
    end.

a_node_that_has_no_py_gets_it(Config) ->
    Node = ?config(node, Config),
    ?assertNotEqual(non_existing, erpc:call(Node, code, which, [py])),
    ?assertEqual(lists:sort([node(), Node]), py_cluster:nodes()),
    ?assertEqual(ok, py_cluster:start(Node)),
    ?assertEqual(ok, py_cluster:stop(Node)),
    py_test_server:await(fun() -> py_cluster:nodes() =:= [node()] end).

a_call_runs_on_the_node_that_is_named(Config) ->
    Node = ?config(node, Config),
    There = py_cluster:call(Node, os, getppid, []),
    ?assertNotEqual(py:func(os, getppid), There),
    ?assertEqual({ok, There}, py_cluster:call(Node, os, getppid, [], #{on_error => return})).

a_call_runs_on_any_node(_) ->
    ?assertEqual(65536.0, py_cluster:any(math, pow, [2, 16])).

a_call_runs_on_all_nodes(Config) ->
    Node = ?config(node, Config),
    Answers = py_cluster:all(math, pow, [2, 16]),
    ?assertEqual(lists:sort([{node(), {ok, 65536.0}}, {Node, {ok, 65536.0}}]), Answers),
    ?assertMatch([{_, {error, #{class := <<"ValueError">>}}}, {_, {error, #{}}}], py_cluster:all(math, sqrt, [-1])).

a_map_runs_on_all_nodes_in_order(_) ->
    Items = lists:seq(1, 100),
    ?assertEqual([{ok, -Item} || Item <- Items], py_cluster:map(operator, neg, Items, #{})),
    Pids = lists:usort([Pid || {ok, Pid} <- py_cluster:map(py_fixture, bridge_of, Items, #{})]),
    ?assertEqual(2, length(Pids)),
    ?assertEqual([], py_cluster:map(operator, neg, [], #{})).

a_python_error_of_another_node_is_that_error(Config) ->
    Node = ?config(node, Config),
    Error = py_test_server:failure(fun() -> py_cluster:call(Node, math, sqrt, [-1]) end),
    ?assertMatch(#{kind := python, class := <<"ValueError">>}, Error).

a_node_that_is_not_there_is_an_error(_) ->
    ?assertMatch(
        {error, #{kind := node_down}},
        py_cluster:call('nobody@127.0.0.1', math, sqrt, [4], #{on_error => return})
    ),
    ?assertMatch({error, #{kind := node_down}}, py_cluster:start('nobody@127.0.0.1')).

options_that_are_no_map_are_refused(Config) ->
    [
        ?assertMatch(#{kind := bad_arguments}, py_test_server:failure(Call))
     || Call <- [
            fun() -> py_cluster:call(?config(node, Config), math, sqrt, [4], none) end,
            fun() -> py_cluster:any(math, sqrt, [4], none) end,
            fun() -> py_cluster:all(math, sqrt, [4], none) end,
            fun() -> py_cluster:map(math, sqrt, [4], none) end
        ]
    ].

%% The second item goes to the other node, and its worker says that it runs; then that node goes down.
in_the_middle_of_a_map(Config, Options) ->
    Markers = [py_test_server:marker(), py_test_server:marker()],
    Self = self(),
    Mapper = spawn_link(fun() ->
        Self ! {self(), py_cluster:map(py_fixture, wait_for_go, Markers, Options)}
    end),
    Bridges = [binary_to_integer(py_test_server:read(<<Marker/binary, ".started">>)) || Marker <- Markers],
    Here = py:func(py_fixture, bridge_of, [0]),
    Doomed = length(lists:takewhile(fun(Bridge) -> Bridge =:= Here end, Bridges)) + 1,
    ok = peer:stop(?config(peer, Config)),
    [py_test_server:touch(<<Marker/binary, ".go">>) || Marker <- Markers],
    receive {Mapper, Results} -> {Doomed, Results} end.

calls_of_a_node_that_goes_down_are_reported(Config) ->
    {Doomed, Results} = in_the_middle_of_a_map(Config, #{}),
    ?assertMatch({error, #{kind := node_down}}, lists:nth(Doomed, Results)),
    ?assertMatch([{ok, "done"}], lists:delete(lists:nth(Doomed, Results), Results)).

what_may_run_again_is_done_by_the_nodes_that_are_left(Config) ->
    {_, Results} = in_the_middle_of_a_map(Config, #{idempotent => true}),
    ?assertEqual([{ok, "done"}, {ok, "done"}], Results).

account_on(Node) -> py_cluster:call(Node, py_fixture, 'Account', [<<"remote">>]).

a_handle_is_called_on_the_node_that_owns_it(Config) ->
    Account = account_on(?config(node, Config)),
    ?assertEqual(5, py:method(Account, deposit, [5])),
    ?assertEqual(12, py:method(Account, deposit, [7])),
    ?assertEqual("remote", py:attr(Account, owner)),
    ?assertEqual({ok, 12}, py:attr(Account, balance, #{on_error => return})),
    ?assertEqual("Account", py:func(py_fixture, kind_of, [Account])),
    ?assertMatch(#{module := <<"py_fixture">>}, py:describe(Account)),
    ?assertMatch({error, #{class := <<"AttributeError">>}}, py:attr(Account, nothing, #{on_error => return})),
    ok = py:release(Account),
    py_test_server:await(fun() -> element(1, py:attr(Account, balance, #{on_error => return})) =:= error end),
    ?assertMatch({error, #{kind := handle_lost}}, py:attr(Account, balance, #{on_error => return})).

a_handle_within_an_argument_leads_to_its_node(Config) ->
    Account = account_on(?config(node, Config)),
    ?assertEqual("dict", py:func(py_fixture, kind_of, [#{account => [Account]}])),
    ?assertEqual(20, py:func(py_fixture, total, [[Account, {Account}]])),
    ?assertEqual(20, py:attr(Account, balance)),
    Here = py:range(3),
    {error, #{kind := handles_apart, message := Message}} =
        py:func(py_fixture, kind_of, [[Account, Here]], #{on_error => return}),
    [
        ?assertMatch({_, _}, binary:match(Message, Named))
     || Named <- [atom_to_binary(?config(node, Config)), <<"range on server default">>]
    ].

a_call_that_is_begun_goes_there_too(Config) ->
    Account = account_on(?config(node, Config)),
    Futures = [py:async_method(Account, deposit, [Amount]) || Amount <- [1, 2, 3]],
    ?assertEqual([1, 3, 6], lists:sort(py:await_all(Futures))),
    Failing = py:async_method(Account, nothing, [], [], #{on_error => return}),
    ?assertMatch({error, #{class := <<"AttributeError">>}}, py:await(Failing)),
    ?assertMatch({error, #{kind := bad_arguments}}, try
        py:async_method(Account, deposit, [1], [], #{no_such => option})
    catch
        error:{py_error, Error} -> {error, Error}
    end),
    Marker = py_test_server:marker(),
    Waiting = py:async(py_fixture, wait_with, [Account, Marker]),
    ?assertEqual(timeout, py:yield(Waiting)),
    py_test_server:touch(<<Marker/binary, ".go">>),
    ?assertEqual({value, "remote"}, py:yield(Waiting, 30_000)),
    %% Taken back: by hand, by a time that is over, by the call's own deadline.
    [
        begin
            Hanging = py_test_server:marker(),
            Hung = py:async(py_fixture, hang_with, [Account, Hanging]),
            _ = py_test_server:read(<<Hanging/binary, ".started">>),
            Stop(Hung),
            _ = py_test_server:read(<<Hanging/binary, ".stopped">>)
        end
     || Stop <- [
            fun py:cancel/1,
            fun(Hung) -> ?assertMatch(#{kind := timeout}, py_test_server:failure(fun() -> py:await(Hung, 10) end)) end
        ]
    ],
    py_test_server:with_enough_time(fun(Milliseconds) ->
        Hanging = py_test_server:marker(),
        Hung = py:async(py_fixture, hang_with, [Account, Hanging], #{timeout => Milliseconds}),
        ?assertMatch(#{kind := timeout}, py_test_server:failure(fun() -> py:await(Hung) end)),
        py_test_server:has_begun(Hanging) andalso is_binary(py_test_server:read(<<Hanging/binary, ".stopped">>))
    end),
    ok = py:cast_method(Account, deposit, [94]),
    py_test_server:await(fun() -> py:attr(Account, balance) =:= 100 end),
    ?assertEqual({messages, []}, process_info(self(), messages)).

a_stream_comes_from_there(Config) ->
    Account = account_on(?config(node, Config)),
    Marker = py_test_server:marker(),
    Stream = py:stream(py_fixture, count_with, [Account, 1_000_000, Marker], #{window => 4}),
    ?assertEqual(lists:seq(0, 49), py_stream:take(50, Stream)),
    ok = py_stream:close(Stream),
    ?assertEqual(<<"closed">>, py_test_server:read(<<Marker/binary, ".closed">>)),
    Range = py_cluster:call(?config(node, Config), builtins, range, [5]),
    ?assertEqual([0, 1, 2, 3, 4], py_stream:to_list(py:iterate(Range))),
    ?assertEqual({messages, []}, process_info(self(), messages)).

a_monitored_object_of_another_node_is_released(Config) ->
    Account = account_on(?config(node, Config)),
    _ = py:monitor(Account),
    Taken = py:monitor(Account),
    ok = py:demonitor(Taken),
    0 = py:attr(Account, balance),
    ok = py:release(Account),
    Reason = receive {py_down, Account, Told} -> Told end,
    %% The object may have been gone before the monitor was there.
    ?assert(lists:member(Reason, [released, noproc])),
    _ = py:monitor(Account),
    ?assertEqual(noproc, receive {py_down, Account, Again} -> Again end).

many_calls_go_where_their_objects_are(Config) ->
    Account = account_on(?config(node, Config)),
    ?assertEqual(
        [["Account", "Account", "int"], 10],
        [
            py:pmap(py_fixture, kind_of, [Account, Account, 1], #{chunk => 1}),
            hd(py:gather(py:scatter([{py_fixture, total, [[Account]]}])))
        ]
    ).

what_is_printed_there_is_seen_here(Config) ->
    Account = account_on(?config(node, Config)),
    Self = self(),
    Leader = spawn_link(fun() ->
        receive
            {io_request, From, Ref, {put_chars, _, Text}} ->
                From ! {io_reply, Ref, ok},
                Self ! {printed, Text}
        end
    end),
    Before = group_leader(),
    true = group_leader(Leader, self()),
    ?assertEqual("said", py:func(py_fixture, say_with, [Account, <<"from there">>])),
    true = group_leader(Before, self()),
    ?assertEqual(<<"from there\n">>, receive {printed, Text} -> unicode:characters_to_binary(Text) end),
    %% And who calls is known there.
    ?assertEqual([Self, true, false], py:func(py_fixture, who_calls, [Account])).

a_caller_that_dies_takes_its_call_there_back(Config) ->
    Account = account_on(?config(node, Config)),
    Marker = py_test_server:marker(),
    Caller = spawn(fun() -> py:func(py_fixture, hang_with, [Account, Marker]) end),
    _ = py_test_server:read(<<Marker/binary, ".started">>),
    exit(Caller, kill),
    ?assertMatch(<<_/binary>>, py_test_server:read(<<Marker/binary, ".stopped">>)).

what_a_dead_caller_has_running_on_nodes_is_stopped(Config) ->
    Node = ?config(node, Config),
    [
        begin
            Marker = py_test_server:marker(),
            Caller = spawn(fun() -> Call(Marker) end),
            _ = py_test_server:read(<<Marker/binary, ".started">>),
            exit(Caller, kill),
            ?assertMatch(<<_/binary>>, py_test_server:read(<<Marker/binary, ".stopped">>))
        end
     || Call <- [
            fun(Marker) -> py_cluster:call(Node, py_fixture, hang, [Marker]) end,
            fun(Marker) -> py_cluster:all(py_fixture, hang, [Marker]) end,
            fun(Marker) -> py_cluster:map(py_fixture, hang, [Marker], #{}) end
        ]
    ],
    ?assertEqual([{ok, -1}, {ok, -2}], py_cluster:map(operator, neg, [1, 2], #{})).

a_call_under_way_learns_that_the_node_is_down(Config) ->
    Account = account_on(?config(node, Config)),
    Marker = py_test_server:marker(),
    Future = py:async(py_fixture, hang_with, [Account, Marker], #{on_error => return}),
    Stream = py:stream(py_fixture, count_with, [Account, 1_000_000, <<>>], #{window => 1}),
    _ = py_test_server:read(<<Marker/binary, ".started">>),
    ok = peer:stop(?config(peer, Config)),
    ?assertMatch({error, #{kind := node_down}}, py:await(Future)),
    ?assertMatch(#{kind := node_down}, py_test_server:failure(fun Read() ->
        case py_stream:next(Stream) of {ok, _} -> Read(); Other -> Other end
    end)).

a_handle_of_a_node_that_is_down_is_lost(Config) ->
    Account = account_on(?config(node, Config)),
    ok = peer:stop(?config(peer, Config)),
    ?assertMatch({error, #{kind := handle_lost}}, py:attr(Account, balance, #{on_error => return})).

a_monitor_tells_that_the_node_is_down(Config) ->
    Account = account_on(?config(node, Config)),
    _ = py:monitor(Account),
    0 = py:attr(Account, balance),
    ok = peer:stop(?config(peer, Config)),
    {py_down, Account, Reason} = receive Down when element(1, Down) =:= py_down -> Down end,
    %% A node that stops in order stops its servers first.
    ?assert(lists:member(Reason, [noconnection, disconnected])).
