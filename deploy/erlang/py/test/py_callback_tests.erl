%% Python code asks the node that called it.
-module(py_callback_tests).

-include_lib("eunit/include/eunit.hrl").

-export([factorial/1, square/1, hung/2, hangs/1, endless/1, group/0]).
-export([
    a_function_of_the_node_gives_its_value/0,
    a_recursion_through_both_sides_is_as_deep_as_it_is/0,
    threads_ask_and_are_answered_each_their_own/0,
    a_call_on_top_ends_at_its_deadline_on_any_thread/0,
    a_cancelled_call_takes_those_on_top_of_it_along/0,
    many_callers_are_not_mixed_up/0,
    a_fun_is_a_function_in_python/0,
    the_caller_is_known/0,
    messages_arrive_in_order/0,
    a_registered_name_is_sent_to/0,
    what_fails_says_how/0,
    names_from_python_make_no_atoms/0,
    a_callback_may_be_too_late/0,
    a_dead_caller_takes_its_callbacks_along/0,
    a_killed_callback_is_an_error_in_python/0,
    what_a_callback_prints_goes_to_the_caller/0,
    a_message_handler_gets_what_is_sent/0,
    what_may_be_called_is_a_setting/0
]).

py_callback_test_() ->
    {setup, fun() -> py_test_server:start([{options, #{strings => binary}}]) end, fun py_test_server:stop/1, [
        {atom_to_list(Name), {timeout, 120, fun ?MODULE:Name/0}}
     || {Name, 0} <- ?MODULE:module_info(exports), not lists:member(Name, [module_info, test, py_callback_test_, group])
    ]}.

ask(Module, Function, Arguments) ->
    py:func(py_fixture, ask_node, [Module, Function | Arguments]).

a_function_of_the_node_gives_its_value() ->
    ?assertEqual(6, ask(lists, sum, [[1, 2, 3]])),
    ?assertEqual([3, 2, 1], ask(lists, reverse, [[1, 2, 3]])),
    ?assertEqual(<<"GRÖSSE"/utf8>>, ask(string, uppercase, [<<"größe"/utf8>>])),
    ?assertEqual(node(), ask(erlang, node, [])).

%% More levels than there are workers: 2.
factorial(Number) -> py:func(py_fixture, factorial, [Number]).

a_recursion_through_both_sides_is_as_deep_as_it_is() ->
    ?assertEqual(lists:foldl(fun erlang:'*'/2, 1, lists:seq(1, 100)), factorial(100)).

square(Number) -> py:mul(Number, Number).

threads_ask_and_are_answered_each_their_own() ->
    ?assertEqual([Number * Number || Number <- lists:seq(0, 19)], py:func(py_fixture, square_in_threads, [20])).

%% The one worker is kept: what ends is the call, by an exception.
a_call_on_top_ends_at_its_deadline_on_any_thread() ->
    {ok, _} = py:add_server(single, #{workers => 1}),
    Pid = py:func(os, getpid, #{server => single}),
    [
        begin
            py_test_server:with_enough_time(fun(Milliseconds) ->
                Marker = py_test_server:marker(),
                ?assertEqual([timeout], Ask([<<"py_callback_tests:hung">>, [Marker, Milliseconds]])),
                py_test_server:has_begun(Marker) andalso
                    integer_to_binary(Pid) =:= py_test_server:read(<<Marker/binary, ".stopped">>)
            end),
            ?assertEqual(Pid, py:func(os, getpid, #{server => single}))
        end
     || Ask <- [
            fun([What, Arguments]) -> py:func(py_fixture, in_a_thread, [What, Arguments], #{server => single}) end,
            fun([What, Arguments]) -> [py:func(py_fixture, ask_here, [What, Arguments], #{server => single})] end
        ]
    ],
    ok = py:remove_server(single).

hung(Marker, Milliseconds) ->
    Options = #{timeout => Milliseconds, on_error => return, server => single},
    {error, #{kind := Kind}} = py:func(py_fixture, hang, [Marker], Options),
    Kind.

a_cancelled_call_takes_those_on_top_of_it_along() ->
    {ok, _} = py:add_server(single, #{workers => 1}),
    Pid = py:func(os, getpid, #{server => single}),
    [
        begin
            Marker = py_test_server:marker(),
            Future = py:async(py_fixture, Function, [<<"py_callback_tests:hangs">>, [Marker]], #{server => single}),
            _ = py_test_server:read(<<Marker/binary, ".started">>),
            ok = py:cancel(Future),
            ?assertEqual(integer_to_binary(Pid), py_test_server:read(<<Marker/binary, ".stopped">>)),
            ?assertEqual(Pid, py:func(os, getpid, #{server => single}))
        end
     || Function <- [in_a_thread, ask_here]
    ],
    ok = py:remove_server(single).

hangs(Marker) -> py:func(py_fixture, hang, [Marker], #{server => single}).

many_callers_are_not_mixed_up() ->
    Self = self(),
    Callers = [
        spawn_link(fun() -> Self ! {self(), [ask(erlang, '+', [Caller, Call]) || Call <- lists:seq(1, 20)]} end)
     || Caller <- lists:seq(1, 50)
    ],
    [
        receive {Pid, Sums} -> ?assertEqual([Caller + Call || Call <- lists:seq(1, 20)], Sums) end
     || {Caller, Pid} <- lists:enumerate(Callers)
    ].

a_fun_is_a_function_in_python() ->
    Base = 40,
    ?assertEqual([41, 42], py:func(py_fixture, apply_to, [fun(X) -> Base + X end, 1, 2])),
    ?assertEqual([1, 2, 3], py:func(py_fixture, apply_to, [fun erlang:length/1, "a", "ab", "abc"])),
    ?assertEqual([3, 2, 1], py:sorted([1, 2, 3], [{key, fun(X) -> -X end}])).

the_caller_is_known() ->
    ?assertEqual([self(), true, false], py:func(py_fixture, who_calls)).

messages_arrive_in_order() ->
    Count = 500,
    undefined = py:func(py_fixture, send_numbers, [self(), Count]),
    ?assertEqual(lists:seq(0, Count - 1), [receive {<<"number">>, Number} -> Number end || _ <- lists:seq(1, Count)]).

a_registered_name_is_sent_to() ->
    true = register(py_callback_tests_here, self()),
    undefined = py:func(py_fixture, send_numbers, [py_callback_tests_here, 1]),
    ?assertEqual({<<"number">>, 0}, receive Message -> Message end),
    undefined = py:func(py_fixture, send_numbers, [{py_callback_tests_here, node()}, 1]),
    ?assertEqual({<<"number">>, 0}, receive Again -> Again end),
    true = unregister(py_callback_tests_here).

why_not(Module, Function, Arguments) ->
    py:func(py_fixture, why_not, [Module, Function | Arguments]).

what_fails_says_how() ->
    ?assertMatch({<<"erlang">>, <<"error">>, <<"badarith">>}, why_not(erlang, '+', [a, 1])),
    ?assertMatch({<<"erlang">>, <<"throw">>, <<"ball">>}, why_not(erlang, throw, [ball])),
    ?assertMatch({<<"erlang">>, <<"exit">>, _}, why_not(erlang, exit, [gone])),
    ?assertMatch({<<"erlang">>, <<"undef">>, <<"there is no function lists:no_such_function_here/0">>},
        why_not(lists, <<"no_such_function_here">>, [])),
    ?assertMatch({<<"erlang">>, <<"undef">>, <<"there is no module no_such_module_here">>},
        why_not(<<"no_such_module_here">>, <<"f">>, [])),
    %% A message is nothing to be called with, and is not lost without a word.
    #{class := <<"TypeError">>, message := NoFunction} =
        py_test_server:failure(fun() -> py:func('bascule.workers.erlang', cast, [self(), [hello]]) end),
    ?assertMatch({_, _}, binary:match(NoFunction, <<"send(pid, message)">>)),
    %% And what Python did not catch is the caller's.
    #{class := <<"CallbackFailed">>, message := <<"error: badarith">>} =
        py_test_server:failure(fun() -> ask(erlang, '+', [a, 1]) end).

names_from_python_make_no_atoms() ->
    _ = why_not(<<"once">>, <<"before">>, []),
    Before = erlang:system_info(atom_count),
    [
        why_not(<<"never_seen_", (integer_to_binary(N))/binary>>, <<"nor_this_", (integer_to_binary(N))/binary>>, [])
     || N <- lists:seq(1, 100)
    ],
    ?assertEqual(Before, erlang:system_info(atom_count)).

endless(Marker) ->
    py_test_server:touch(<<Marker/binary, ".", (list_to_binary(pid_to_list(self())))/binary>>),
    receive never -> ok end.

a_callback_may_be_too_late() ->
    ?assertEqual(<<"too late">>, py:func(py_fixture, ask_in_time, [timer, sleep, 60_000])),
    ?assertEqual(42, py:add(37, 5)).

answering() ->
    [Pid || Pid <- processes(), {dictionary, Entries} <- [process_info(Pid, dictionary)],
        proplists:is_defined('$py_callback', Entries)].

a_dead_caller_takes_its_callbacks_along() ->
    Caller = spawn(fun() -> ask(timer, sleep, [infinity]) end),
    py_test_server:await(fun() -> length(answering()) =:= 1 end),
    exit(Caller, kill),
    py_test_server:await(fun() -> answering() =:= [] end),
    ?assertEqual(42, py:add(37, 5)).

a_killed_callback_is_an_error_in_python() ->
    Self = self(),
    spawn_link(fun() -> Self ! {why, why_not(timer, sleep, [infinity])} end),
    py_test_server:await(fun() -> length(answering()) =:= 1 end),
    [exit(Pid, kill) || Pid <- answering()],
    ?assertMatch({<<"erlang">>, <<"exit">>, <<"killed">>}, receive {why, Why} -> Why end).

group() -> group_leader().

what_a_callback_prints_goes_to_the_caller() ->
    ?assertEqual(group_leader(), ask(?MODULE, group, [])).

a_message_handler_gets_what_is_sent() ->
    %% Each worker has a handler of its own: the last one's is asked, which no scheduler would choose.
    #{slot := Slot} = lists:last(py:workers()),
    undefined = py:func(py_fixture, echo_messages_to, [self()], #{worker => Slot}),
    [
        begin
            ok = py:message({hello, Number}, #{worker => Slot}),
            ?assertEqual({<<"echo">>, {hello, Number}}, receive Message -> Message end)
        end
     || Number <- lists:seq(1, 10)
    ].

what_may_be_called_is_a_setting() ->
    py_test_server:stop([]),
    py_test_server:start([{options, #{strings => binary}}, {callbacks, [lists, {erlang, node}]}]),
    ?assertEqual(6, ask(lists, sum, [[1, 2, 3]])),
    ?assertEqual(node(), ask(erlang, node, [])),
    ?assertMatch({<<"denied">>, _, _}, why_not(erlang, halt, [])),
    py_test_server:stop([]),
    py_test_server:start([{options, #{strings => binary}}, {callbacks, none}]),
    ?assertMatch({<<"denied">>, _, _}, why_not(lists, sum, [[1]])),
    ?assertMatch([], [X || X <- [why_not(lists, sum, [[1]])], element(1, X) =/= <<"denied">>]),
    py_test_server:stop([]),
    py_test_server:start([{options, #{strings => binary}}]).
