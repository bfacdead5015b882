%% Streams with credit, calls that are not waited for, and what becomes of them when things end.
-module(py_stream_tests).

-include_lib("eunit/include/eunit.hrl").

-export([
    values_come_one_after_the_other/0,
    no_more_is_made_than_there_is_credit_for/0,
    a_closed_stream_ends_its_generator/0,
    a_dead_reader_ends_its_generator/0,
    an_error_in_a_generator_is_raised_where_it_is_read/0,
    a_call_that_gives_no_iterator_says_so/0,
    an_object_is_iterated/0,
    a_lost_server_ends_the_stream/0,
    another_process_gets_the_values_as_messages/0,
    a_stream_ends_with_the_process_that_it_is_sent_to/0,
    a_stream_in_a_callback_goes_on/0,
    answers_are_taken_when_they_are_wanted/0,
    yield_does_not_wait/0,
    nobody_waits_for_an_answer_that_can_not_come/0,
    a_future_that_takes_too_long_is_stopped/0,
    when_one_of_many_fails_the_others_are_stopped/0,
    a_cast_is_done_and_nobody_waits/0,
    output_goes_to_the_logger_with_its_metadata/0
]).
-export([log/2, stream_here/0]).

py_stream_test_() ->
    {setup, fun py_test_server:start/0, fun py_test_server:stop/1, [
        {atom_to_list(Name), {timeout, 120, fun ?MODULE:Name/0}}
     || {Name, 0} <- ?MODULE:module_info(exports),
        not lists:member(Name, [module_info, test, py_stream_test_, stream_here])
    ]}.

values_come_one_after_the_other() ->
    Stream = py:stream(itertools, count, [10]),
    ?assertEqual({ok, 10}, py_stream:next(Stream)),
    ?assertEqual(lists:seq(11, 110), py_stream:take(100, Stream)),
    ok = py_stream:close(Stream),
    ?assertEqual(done, py_stream:next(Stream)),
    ?assertEqual(lists:seq(0, 99), py_stream:to_list(py:stream(py_fixture, count_to, [100]))),
    ?assertEqual({messages, []}, process_info(self(), messages)).

no_more_is_made_than_there_is_credit_for() ->
    Account = py:func(builtins, iter, [lists:seq(1, 1000)], #{want => handle}),
    Stream = py:iterate(Account, #{window => 4}),
    ?assertEqual([1, 2], py_stream:take(2, Stream)),
    ok = py_stream:close(Stream),
    %% 4 at first, and 2 more when 2 were taken; some of those may not have been made before the end.
    Again = py:iterate(Account),
    {ok, Next} = py_stream:next(Again),
    ?assert(Next >= 3 andalso Next =< 7),
    ok = py_stream:close(Again).

a_closed_stream_ends_its_generator() ->
    Marker = py_test_server:marker(),
    Stream = py:stream(py_fixture, count_to, [1_000_000, Marker]),
    {ok, 0} = py_stream:next(Stream),
    ok = py_stream:close(Stream),
    ?assertEqual(<<"closed">>, py_test_server:read(<<Marker/binary, ".closed">>)).

a_dead_reader_ends_its_generator() ->
    Marker = py_test_server:marker(),
    Self = self(),
    Reader = spawn(fun() ->
        {ok, 0} = py_stream:next(py:stream(py_fixture, count_to, [1_000_000, Marker])),
        Self ! begun,
        receive never -> ok end
    end),
    receive begun -> true = exit(Reader, kill) end,
    ?assertEqual(<<"closed">>, py_test_server:read(<<Marker/binary, ".closed">>)).

an_error_in_a_generator_is_raised_where_it_is_read() ->
    Stream = py:stream(builtins, map, [py:attr(py:func(importlib, import_module, [py_fixture]), square_or_fail, #{want => handle}), [1, 2, 13]]),
    ?assertEqual([1, 4], py_stream:take(2, Stream)),
    ?assertMatch(#{class := <<"ValueError">>}, py_test_server:failure(fun() -> py_stream:next(Stream) end)),
    ?assertEqual(done, py_stream:next(Stream)).

a_call_that_gives_no_iterator_says_so() ->
    Stream = py:stream(math, pow, [2, 16]),
    ?assertMatch(#{kind := bad_arguments}, py_test_server:failure(fun() -> py_stream:next(Stream) end)).

an_object_is_iterated() ->
    ?assertEqual([7, 8, 9], py_stream:to_list(py:iterate(py:range(7, 10)))),
    ?assertEqual([1, 2, 3], py_stream:to_list(py:iterate([1, 2, 3]))),
    ?assertEqual(6, py_stream:fold(fun erlang:'+'/2, 0, py:iterate([1, 2, 3]))).

a_lost_server_ends_the_stream() ->
    ok = logger:set_primary_config(level, none),
    Stream = py:stream(itertools, count, [1], #{window => 1}),
    {ok, 1} = py_stream:next(Stream),
    Before = py_test_server:port(),
    _ = os:cmd("kill -KILL " ++ integer_to_list(py_test_server:os_pid())),
    ?assertMatch(
        #{kind := disconnected},
        py_test_server:failure(fun Read() -> case py_stream:next(Stream) of {ok, _} -> Read(); Other -> Other end end)
    ),
    py_test_server:await(fun() -> py_test_server:port() =/= Before end),
    ok = logger:set_primary_config(level, notice).

another_process_gets_the_values_as_messages() ->
    Relay = py_stream:send_to(self(), fun() -> py:stream(py_fixture, count_to, [5]) end, 2),
    ?assertEqual([0, 1], [receive {py_stream, Relay, {item, Item}} -> Item end || _ <- [1, 2]]),
    ?assertEqual(timeout, receive {py_stream, Relay, Early} -> Early after 50 -> timeout end),
    ok = py_stream:credit(Relay, 10),
    ?assertEqual([2, 3, 4], [receive {py_stream, Relay, {item, Item}} -> Item end || _ <- [1, 2, 3]]),
    ?assertEqual(done, receive {py_stream, Relay, Last} -> Last end),
    Failing = py_stream:send_to(self(), fun() -> py:stream(math, sqrt, [-1]) end, 1),
    ?assertMatch({error, #{class := <<"ValueError">>}}, receive {py_stream, Failing, Error} -> Error end).

%% While there is credit, and none, and while Python takes its time.
a_stream_ends_with_the_process_that_it_is_sent_to() ->
    Self = self(),
    [
        begin
            Marker = py_test_server:marker(),
            Receiver = spawn(fun() ->
                Relay = py_stream:send_to(self(), fun() -> py:stream(py_fixture, Function, [Limit, Marker]) end, Credit),
                receive {py_stream, Relay, {item, 0}} -> Self ! {self(), began} end,
                receive never -> ok end
            end),
            receive {Receiver, began} -> ok end,
            exit(Receiver, kill),
            ?assertEqual(<<"closed">>, py_test_server:read(<<Marker/binary, ".closed">>))
        end
     || {Function, Limit, Credit} <- [{count_to, 1_000_000, 1}, {count_to, 1_000_000, 1_000_000}, {one_and_no_more, 1, 5}]
    ].

stream_here() -> py_stream:to_list(py:stream(py_fixture, count_to, [50])).

a_stream_in_a_callback_goes_on() ->
    ?assertEqual(lists:seq(0, 49), py:func(py_fixture, ask_node, [?MODULE, stream_here])).

answers_are_taken_when_they_are_wanted() ->
    Futures = [py:async(math, pow, [2, Power]) || Power <- lists:seq(1, 50)],
    ?assertEqual([math:pow(2, Power) || Power <- lists:seq(1, 50)], py:await_all(Futures)),
    Last = py:async_method(<<"a-b">>, split, [<<"-">>], #{on_error => return}),
    ?assertEqual({ok, ["a", "b"]}, py:await(Last)).

yield_does_not_wait() ->
    Marker = py_test_server:marker(),
    Future = py:async(py_fixture, wait_for, [Marker, <<"done">>]),
    ?assertEqual(timeout, py:yield(Future)),
    py_test_server:touch(<<Marker/binary, ".go">>),
    ?assertEqual({value, "done"}, py:yield(Future, 30_000)).

nobody_waits_for_an_answer_that_can_not_come() ->
    Refused = fun(Wait) ->
        #{kind := bad_arguments, message := Message} = py_test_server:failure(Wait),
        Message
    end,
    Future = py:async(math, sqrt, [16]),
    Stream = py:iterate([1, 2]),
    Self = self(),
    [
        begin
            _ = spawn_link(fun() -> Self ! {told, Refused(Wait)} end),
            Message = receive {told, Told} -> Told end,
            ?assertMatch({_, _}, binary:match(Message, unicode:characters_to_binary(pid_to_list(Self))))
        end
     || Wait <- [fun() -> py:await(Future) end, fun() -> py:yield(Future) end, fun() -> py_stream:next(Stream) end]
    ],
    ?assertEqual([1, 2], py_stream:to_list(Stream)),
    ?assertEqual(4.0, py:await(Future)),
    _ = Refused(fun() -> py:await(Future) end),
    _ = Refused(fun() -> py:yield(Future) end),
    Cancelled = py:async(math, sqrt, [16]),
    ok = py:cancel(Cancelled),
    _ = Refused(fun() -> py:await(Cancelled) end),
    ok = py:cancel(Cancelled).

a_future_that_takes_too_long_is_stopped() ->
    Marker = py_test_server:marker(),
    Future = py:async(py_fixture, hang, [Marker]),
    Started = py_test_server:read(<<Marker/binary, ".started">>),
    ?assertMatch(#{kind := timeout}, py_test_server:failure(fun() -> py:await(Future, 10) end)),
    ?assertEqual(Started, py_test_server:read(<<Marker/binary, ".stopped">>)).

when_one_of_many_fails_the_others_are_stopped() ->
    Marker = py_test_server:marker(),
    Bad = py:async(math, sqrt, [-1]),
    Hanging = py:async(py_fixture, hang, [Marker]),
    _ = py_test_server:read(<<Marker/binary, ".started">>),
    ?assertMatch(#{class := <<"ValueError">>}, py_test_server:failure(fun() -> py:await_all([Bad, Hanging]) end)),
    ?assertMatch(<<_/binary>>, py_test_server:read(<<Marker/binary, ".stopped">>)).

a_cast_is_done_and_nobody_waits() ->
    Marker = py_test_server:marker(),
    ok = py:cast(py_fixture, publish, [Marker, <<"cast">>]),
    ?assertEqual(<<"cast">>, py_test_server:read(Marker)),
    ok = py:cast(math, sqrt, [-1]),
    ?assertEqual(42, py:add(37, 5)),
    ?assertEqual({messages, []}, process_info(self(), messages)).

log(Event, #{config := Pid}) -> Pid ! {logged, Event}.

output_goes_to_the_logger_with_its_metadata() ->
    ok = logger:add_handler(?MODULE, ?MODULE, #{config => self()}),
    "said" = py:func(py_fixture, say, [<<"to the log">>], #{output => logger}),
    receive
        {logged, #{level := notice, meta := #{domain := [py], py_stream := stdout, py_server := default, pid := Pid}} = Event} ->
            ?assertEqual(self(), Pid),
            #{msg := {"~ts", [Text]}} = Event,
            ?assertEqual(<<"to the log">>, Text)
    end,
    ok = logger:remove_handler(?MODULE).
