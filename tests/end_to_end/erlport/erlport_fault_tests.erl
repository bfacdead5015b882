%% Where ErlPort's own Python fails, and what happens here instead: a test for each row of that table.
-module(erlport_fault_tests).

-include_lib("eunit/include/eunit.hrl").

-import(erlport_instance, [
    call/3, call/4, call/5, cast/2, start/1, stop/1, with/1, with/2, apart/1, outcome/1, gone/1
]).

%% Two concurrent calls that both call back into Erlang

answers_are_never_swapped_between_callers_test() ->
    with(fun(P) ->
        Slow = apart(fun() -> call(P, same_by_erlang, [slow, 300]) end),
        Quick = apart(fun() -> call(P, same_by_erlang, [quick, 20]) end),
        ?assertEqual({ok, quick}, outcome(Quick)),
        ?assertEqual({ok, slow}, outcome(Slow))
    end).

hundreds_of_nested_calls_find_their_callers_test() ->
    with(fun(P) ->
        Refs = [apart(fun() -> call(P, same_by_erlang, [N, N rem 7]) end) || N <- lists:seq(1, 200)],
        ?assertEqual([{ok, N} || N <- lists:seq(1, 200)], [outcome(Ref) || Ref <- Refs])
    end).

threads_of_user_code_get_their_own_answers_test() ->
    with(fun(P) -> ?assertEqual(0, call(P, many_threads, [8, 20])) end).

one_thread_for_all_keeps_answers_apart_too_test() ->
    with(alone(), fun(P) ->
        Slow = apart(fun() -> call(P, same_by_erlang, [slow, 200]) end),
        Quick = apart(fun() -> call(P, same_by_erlang, [quick, 20]) end),
        ?assertEqual({ok, quick}, outcome(Quick)),
        ?assertEqual({ok, slow}, outcome(Slow))
    end).

%% 100 MiB binary in; 1 M integers in

a_hundred_mebibytes_are_no_matter_test_() ->
    {timeout, 120, fun() ->
        with(fun(P) ->
            Binary = binary:copy(<<"0123456789abcdef">>, 100 bsl 16),
            ?assertEqual(100 bsl 20, call(P, length, [Binary])),
            ?assert(Binary =:= call(P, echo, [Binary]))
        end)
    end}.

a_million_integers_are_no_matter_test_() ->
    {timeout, 120, fun() ->
        with(fun(P) ->
            Integers = lists:seq(1, 1000000),
            ?assertEqual(lists:sum(Integers), call(P, total, [Integers])),
            ?assert(Integers =:= call(P, echo, [Integers]))
        end)
    end}.

%% Small UTF-8 atom in; nan or inf out; bad pickle; nesting >= 1000 in

atoms_in_utf8_come_in_test() ->
    with(fun(P) ->
        ?assertEqual("Atom(b'\\xe2\\x98\\x83')", call(P, seen, ['\x{2603}'])),
        ?assertEqual('\x{2603}', call(P, echo, ['\x{2603}'])),
        ?assertEqual("Atom(b'\\xc3\\xa9')", call(P, seen, ['\x{e9}']))
    end).

no_number_is_an_error_of_the_call_test() ->
    with(fun(P) ->
        [?assertError({python, 'builtins.ValueError', "Erlang has no float for " ++ _, _}, call(P, bare, [Text]))
            || Text <- ["nan", "inf", "-inf"]],
        ?assertEqual(1.0, call(P, bare, ["1"]))
    end).

a_bad_pickle_is_an_error_of_the_call_test() ->
    with(fun(P) ->
        [?assertError({python, _, _, _}, call(P, echo, [{'$erlport.opaque', python, Pickle}]))
            || Pickle <- [<<>>, <<"garbage">>, <<128, 2, 99>>, <<"cnowhere\nnothing\n.">>]],
        ?assertEqual(1, call(P, echo, [1]))
    end).

a_bad_pickle_in_a_message_is_passed_over_test() ->
    with(fun(P) ->
        call(P, handle_into, [self()]),
        cast(P, {'$erlport.opaque', python, <<"garbage">>}),
        cast(P, next),
        receive {handled, next} -> ok end
    end).

deep_terms_come_in_and_go_out_test() ->
    with(fun(P) ->
        [begin
            Term = lists:foldl(fun(_, Inner) -> Wrap(Inner) end, end_of_it, lists:seq(1, Depth)),
            ?assert(Term =:= call(P, echo, [Term]))
        end || Depth <- [1000, 5000], Wrap <- [fun(X) -> [X] end, fun(X) -> {X} end, fun(X) -> #{k => X} end]]
    end).

terms_beyond_the_limit_are_an_error_of_the_call_test() ->
    with(fun(P) ->
        Term = lists:foldl(fun(_, Inner) -> [Inner] end, [], lists:seq(1, 100000)),
        ?assertError({python, _, "a term is nested deeper than the limit of " ++ _, _}, call(P, echo, [Term])),
        ?assertEqual(1, call(P, echo, [1]))
    end).

%% User code or a child process writes to descriptor 1

writing_to_descriptor_1_breaks_no_frame_test() ->
    with(fun(P) ->
        ?assertEqual(written, call(P, write_below, [<<"below">>])),
        ?assertEqual(1, call(P, echo, [1]))
    end).

writing_to_descriptor_1_is_harmless_with_other_descriptors_too_test() ->
    with([nouse_stdio], fun(P) ->
        ?assertEqual(written, call(P, write_below, [<<"below">>])),
        ?assertEqual(1, call(P, echo, [1]))
    end).

a_forked_child_that_returns_answers_nobody_test() ->
    with(fun(P) ->
        ?assertEqual(0, call(P, fork_and_return, [])),
        ?assertEqual(1, call(P, echo, [1]))
    end).

%% Mutual recursion 200 deep; call from a background thread while idle

recursion_between_the_languages_goes_deep_test_() ->
    {timeout, 120, fun() ->
        with(fun(P) -> ?assertEqual(400, call(P, down, [P, 400])), ?assertEqual(1, call(P, echo, [1])) end)
    end}.

recursion_in_one_thread_goes_deep_test_() ->
    {timeout, 120, fun() ->
        with(alone(), fun(P) -> ?assertEqual(400, call(P, down, [P, 400])), ?assertEqual(1, call(P, echo, [1])) end)
    end}.

a_background_thread_may_call_while_nothing_else_runs_test() ->
    [with(Options, fun(P) ->
        call(P, call_in_background, [self()]),
        call(P, open_gate, []),
        receive {background, 7} -> ok end,
        ?assertEqual(1, call(P, echo, [1]))
    end) || Options <- [[], alone()]].

%% Timeout

the_next_call_does_not_wait_for_one_that_timed_out_test() ->
    with(fun(P) ->
        ?assertError(timeout, call(P, erlport_fixture, wait_at_gate, [], [{timeout, 50}])),
        ?assertEqual(1, call(P, echo, [1])),
        call(P, open_gate, [])
    end).

%% Stop while busy

an_instance_that_is_stopped_while_busy_leaves_no_process_test_() ->
    {inparallel, [{lists:flatten(io_lib:format("~p ~p", [Function, Options])), {timeout, 120, fun() ->
        P = start(Options),
        Pid = call(P, pid, []),
        Ref = apart(fun() -> call(P, Function, Args) end),
        ok = running(Pid, P, Function, Options),
        stop(P),
        ?assertEqual({error, stopped}, outcome(Ref)),
        ?assert(gone(Pid))
    end}} || {Function, Args} <- [{sleep, [600]}, {spin, []}, {wait_at_gate, []}, {hold_interpreter, []}],
        Options <- [[], alone()]]}.

%% As far as can be told from outside: a second call that is answered came while the first ran, if others can run at all.
running(_, P, Function, []) when Function =/= hold_interpreter ->
    call(P, echo, [ok]);
running(_, _, _, _) ->
    receive after 100 -> ok end.

%% kill -9 in mid-call, three outstanding

all_callers_learn_of_a_killed_process_test() ->
    P = start([]),
    Pid = call(P, pid, []),
    Refs = [apart(fun() -> call(P, wait_at_gate, []) end) || _ <- [1, 2, 3]],
    1 = call(P, echo, [1]),
    Monitor = monitor(process, P),
    os:cmd("kill -9 " ++ integer_to_list(Pid)),
    ?assertEqual(lists:duplicate(3, {error, {port_closed, {code, 137}}}), [outcome(Ref) || Ref <- Refs]),
    receive {'DOWN', Monitor, process, P, {port_closed, {code, 137}}} -> ok end,
    ?assert(gone(Pid)),
    with(fun(Next) -> ?assertEqual(1, call(Next, echo, [1])) end).

%% Concurrent sleeps

calls_that_wait_run_at_the_same_time_test() ->
    with(fun(P) ->
        Refs = [apart(fun() -> call(P, wait_at_gate, []) end) || _ <- lists:seq(1, 20)],
        ?assertEqual(ok, call(P, echo, [ok])),
        call(P, open_gate, []),
        ?assertEqual([{ok, opened} || _ <- Refs], [outcome(Ref) || Ref <- Refs])
    end).

one_caller_always_sees_the_main_thread_test() ->
    with(fun(P) ->
        ?assertEqual(["MainThread"], lists:usort([call(P, thread_name, []) || _ <- lists:seq(1, 50)])),
        slept = call(P, sleep, [0.05]),
        ?assertEqual("MainThread", call(P, thread_name, []))
    end).

one_thread_for_all_is_the_main_thread_test() ->
    with(alone(), fun(P) ->
        Refs = [apart(fun() -> call(P, where_run, [N]) end) || N <- lists:seq(1, 20)],
        ?assertEqual([{ok, true} || _ <- Refs], [outcome(Ref) || Ref <- Refs])
    end).

%% Map keys 1/true, 1/1.0, a/<<"a">>

map_keys_stay_apart_test() ->
    with(fun(P) ->
        [?assertEqual(Map, call(P, echo, [Map])) || Map <- [
            #{1 => a, true => b}, #{1 => a, 1.0 => b}, #{a => 1, <<"a">> => 2}, #{{1} => a, {true} => b, {1.0} => c},
            #{0 => a, false => b, 0.0 => c}, #{#{1 => 1} => a, #{true => 1} => b}
        ]],
        ?assertEqual({"ExactMap", 2, true, one, yes}, call(P, map_facts, [#{1 => one, true => yes}])),
        ?assertEqual({"Map", 1, true, one, one}, call(P, map_facts, [#{1 => one}]))
    end).

%% A million distinct names

names_can_not_fill_the_atom_table_test_() ->
    {timeout, 120, fun() ->
        with(fun(P) ->
            Before = erlang:system_info(atom_count),
            ?assertEqual(1000, length(call(P, make_atoms, [1000]))),
            ?assertError({python, 'builtins.ValueError', _, _}, call(P, make_atoms, [1000000])),
            [?assertError({python, _, "made up", _}, call(P, make_classes, [N])) || N <- lists:seq(1, 50)],
            ?assertEqual(sent_before, call(P, echo, [sent_before])),
            ?assert(erlang:system_info(atom_count) - Before < 100000)
        end)
    end}.

%% Replies to nobody

the_death_of_a_caller_harms_nobody_test() ->
    with(fun(P) ->
        {Caller, Ref} = spawn_monitor(fun() -> call(P, wait_at_gate, []) end),
        1 = call(P, echo, [1]),
        exit(Caller, kill),
        receive {'DOWN', Ref, process, Caller, killed} -> ok end,
        call(P, open_gate, []),
        ?assertEqual(1, call(P, echo, [1]))
    end).

alone() ->
    [{env, [{"BASCULE_ERLPORT_THREADS", "1"}]}].
