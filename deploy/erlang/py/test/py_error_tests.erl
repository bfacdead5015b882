%% What a failed call tells.
-module(py_error_tests).

-include_lib("eunit/include/eunit.hrl").

%% A logger handler that tells the test.
-export([log/2]).
-export([
    exceptions_have_class_message_and_traceback/0,
    causes_come_along/0,
    frames_are_data/0,
    unknown_names_are_told/0,
    wrong_arguments_are_told/0,
    unknown_options_are_told/0,
    errors_are_printable/0,
    text_in_errors_is_binary_whatever_the_style/0,
    output_of_a_call_is_printed_by_its_caller/0,
    output_can_be_discarded/0,
    output_can_go_to_the_logger/0,
    names_never_become_atoms/0,
    errors_without_a_server_are_told/0
]).

py_error_test_() ->
    {setup, fun py_test_server:start/0, fun py_test_server:stop/1, [
        {timeout, 120, fun ?MODULE:Name/0}
     || {Name, 0} <- ?MODULE:module_info(exports), not lists:member(Name, [module_info, test, py_error_test_])
    ]}.

exceptions_have_class_message_and_traceback() ->
    Error = py_test_server:failure(fun() -> py:func(json, loads, [<<"[1,">>]) end),
    ?assertMatch(
        #{
            kind := python,
            class := <<"JSONDecodeError">>,
            module := <<"json.decoder">>,
            message := <<"Expecting value: line 1 column 4 (char 3)">>,
            traceback := <<"Traceback (most recent call last):\n", _/binary>>,
            cause := undefined,
            worker := <<"default/", _/binary>>
        },
        Error
    ),
    #{elapsed_ms := Elapsed, call := Call} = Error,
    ?assert(is_number(Elapsed) andalso is_integer(Call)).

causes_come_along() ->
    #{
        class := <<"Chatty">>,
        module := <<"py_fixture">>,
        message := <<"no use: 0">>,
        notes := Notes,
        cause := #{class := <<"ZeroDivisionError">>, message := <<"division by zero">>, cause := undefined}
    } = py_test_server:failure(fun() -> py:func(py_fixture, fail_with_cause, [0]) end),
    ?assert(Notes =:= [<<"try another number">>] orelse Notes =:= []).

frames_are_data() ->
    #{frames := Frames} = py_test_server:failure(fun() -> py:func(py_fixture, fail_with_cause, [0]) end),
    ?assertMatch(
        #{function := <<"fail_with_cause">>, line := Line, text := <<"raise chatty from error">>} when is_integer(Line),
        lists:last(Frames)
    ),
    #{file := File} = lists:last(Frames),
    ?assertEqual(<<"py_fixture.py">>, filename:basename(File)).

unknown_names_are_told() ->
    [
        begin
            #{kind := not_found, message := Message} = py_test_server:failure(Call),
            ?assertMatch({_, _}, binary:match(Message, Name))
        end
     || {Name, Call} <- [
            {<<"no_such">>, fun() -> py:func(math, no_such) end},
            {<<"no_such_module">>, fun() -> py:func(no_such_module, f) end},
            {<<"no_such">>, fun() -> py:operator(no_such, [1]) end},
            {<<"no_such">>, fun() -> py:builtin(no_such, [1]) end},
            {<<"no_such">>, fun() -> py:const(math, no_such) end}
        ]
    ].

wrong_arguments_are_told() ->
    ?assertMatch(
        #{kind := python, class := <<"TypeError">>}, py_test_server:failure(fun() -> py:func(math, pow, [1]) end)
    ),
    ?assertMatch(#{kind := bad_arguments}, py_test_server:failure(fun() -> py:func(math, pow, foo) end)),
    ?assertMatch(#{kind := bad_arguments}, py_test_server:failure(fun() -> py:func(math, pow, [1, 2], foo) end)),
    ?assertMatch(#{kind := bad_arguments}, py_test_server:failure(fun() -> py:func(math, pow, [1, 2], [], foo) end)),
    ?assertMatch(#{kind := bad_arguments}, py_test_server:failure(fun() -> py:func({math}, pow) end)),
    ?assertMatch(
        #{kind := bad_arguments}, py_test_server:failure(fun() -> py:func(binary:copy(<<"a">>, 5000), pow) end)
    ).

unknown_options_are_told() ->
    [
        begin
            #{kind := bad_arguments, message := Message} =
                py_test_server:failure(fun() -> py:func(math, pow, [2, 2], Options) end),
            ?assertMatch({_, _}, binary:match(Message, <<"there are timeout">>))
        end
     || Options <- [#{timeot => 5}, #{timeout => -1}, #{strings => list}, #{base => 2}]
    ].

errors_are_printable() ->
    Printed = fun(Call) -> unicode:characters_to_binary(py_error:format(py_test_server:failure(Call))) end,
    ?assertEqual(<<"ValueError: invalid literal for int() with base 10: 'x'">>, Printed(fun() -> py:int(<<"x">>) end)),
    ?assertMatch(
        <<"JSONDecodeError: Expecting value: line 1 column 4 (char 3)\n", _/binary>>,
        Printed(fun() -> py:func(json, loads, [<<"[1,">>]) end)
    ),
    ?assertMatch(
        <<"bad_arguments: ", _/binary>>,
        Printed(fun() -> py:func(math, pow, foo) end)
    ).

text_in_errors_is_binary_whatever_the_style() ->
    [
        ?assertMatch(
            {error, #{class := <<"ValueError">>, message := <<"invalid literal for int() with base 10: 'é'"/utf8>>}},
            py:func(builtins, int, [<<"é"/utf8>>], Style#{on_error => return})
        )
     || Style <- [#{}, #{strings => binary}, #{maps => true, strings => binary}]
    ].

%% Run `Call' with a group leader that keeps what is printed.
printed(Call) ->
    Device = spawn_link(fun() -> device(<<>>) end),
    Before = group_leader(),
    true = group_leader(Device, self()),
    Value =
        try
            Call()
        after
            group_leader(Before, self())
        end,
    Device ! {what_was_printed, self()},
    receive
        {printed, Device, Text} -> {Value, Text}
    end.

device(Text) ->
    receive
        {io_request, From, As, {put_chars, unicode, Characters}} ->
            From ! {io_reply, As, ok},
            device(<<Text/binary, (unicode:characters_to_binary(Characters))/binary>>);
        {what_was_printed, From} ->
            From ! {printed, self(), Text}
    end.

output_of_a_call_is_printed_by_its_caller() ->
    ?assertEqual({undefined, <<"größe\n"/utf8>>}, printed(fun() -> py:print(<<"größe"/utf8>>) end)),
    ?assertEqual({"said", <<"hello\n">>}, printed(fun() -> py:func(py_fixture, say, [<<"hello">>]) end)).

output_can_be_discarded() ->
    ?assertEqual({"said", <<>>}, printed(fun() -> py:func(py_fixture, say, [<<"x">>], #{output => discard}) end)).

output_can_go_to_the_logger() ->
    Self = self(),
    ok = logger:add_handler(py_test, ?MODULE, #{config => Self}),
    {"said", <<>>} = printed(fun() -> py:func(py_fixture, say, [<<"to the log">>], #{output => logger}) end),
    Logged = receive {logged, Event} -> Event end,
    ok = logger:remove_handler(py_test),
    ?assertMatch(#{level := notice, msg := {"~ts", [<<"to the log">>]}, meta := #{py_stream := stdout}}, Logged).

names_never_become_atoms() ->
    %% Names that no atom has, yet.
    Name = unicode:characters_to_binary(io_lib:format("never_~b", [erlang:unique_integer([positive])])),
    ?assertEqual(Name, py:func(py_fixture, echo, [Name], #{strings => binary})),
    #{class := Class} = py_test_server:failure(fun() -> py:func(math, no_such) end),
    ?assert(is_binary(Class) orelse Class =:= undefined),
    ?assertError(badarg, binary_to_existing_atom(Name)).

errors_without_a_server_are_told() ->
    #{kind := pool_unavailable, message := Message} =
        py_test_server:failure(fun() -> py:add(1, 2, #{server => nobody}) end),
    ?assertMatch({_, _}, binary:match(Message, <<"nobody">>)).

log(Event, #{config := Pid}) -> Pid ! {logged, Event}.
