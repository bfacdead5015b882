%% Many calls at once: order, errors, deadline, progress, chunks; and the same call on each worker.
-module(py_scatter_tests).

-include_lib("eunit/include/eunit.hrl").

-export([
    results_come_in_the_order_of_the_items/0,
    map_does_one_after_the_other/0,
    the_first_error_ends_all/0,
    or_errors_are_collected/0,
    results_in_the_order_of_completion_have_numbers/0,
    a_deadline_ends_what_is_left/0,
    progress_is_told/0,
    chunks_are_as_large_as_is_said/0,
    different_calls_are_gathered/0,
    the_same_call_runs_on_each_worker/0,
    wrong_options_are_named/0,
    a_lost_worker_costs_its_chunk/0,
    what_is_idempotent_is_tried_again_item_by_item/0,
    a_straggler_is_run_a_second_time_when_it_is_idempotent/0,
    what_a_dead_caller_has_scattered_is_stopped/0,
    items_without_end_are_taken_as_there_is_room_for_them/0,
    results_are_given_as_they_are_completed/0,
    results_of_lazy_items_come_in_their_order_too/0,
    what_the_caller_s_own_code_throws_takes_all_back/0,
    a_deadline_ends_what_is_lazy/0,
    methods_are_called_where_their_objects_live/0,
    items_are_reduced_in_the_workers/0,
    what_is_between_the_rounds_keeps_its_type/0,
    a_reduction_ends_with_its_first_error_or_deadline/0,
    a_reduction_says_what_is_wrong_with_it/0
]).

py_scatter_test_() ->
    {setup, fun py_test_server:start/0, fun py_test_server:stop/1, [
        {atom_to_list(Name), {timeout, 120, fun ?MODULE:Name/0}}
     || {Name, 0} <- ?MODULE:module_info(exports), not lists:member(Name, [module_info, test, py_scatter_test_])
    ]}.

results_come_in_the_order_of_the_items() ->
    Items = lists:seq(1, 1000),
    ?assertEqual([-Item || Item <- Items], py:pmap(operator, neg, Items)),
    ?assertEqual([], py:pmap(operator, neg, [])),
    ?assertEqual({messages, []}, process_info(self(), messages)).

map_does_one_after_the_other() ->
    Account = py:init(py_fixture, 'Account'),
    Deposit = py:attr(Account, deposit, #{want => handle}),
    ?assertEqual([1, 3, 6, 10], [py:call(Deposit, [N]) || N <- [1, 2, 3, 4]]),
    ?assertEqual([1, 4, 9], py:map(py_fixture, square_or_fail, [1, 2, 3], #{})).

the_first_error_ends_all() ->
    Error = py_test_server:failure(fun() -> py:pmap(py_fixture, square_or_fail, lists:seq(1, 100)) end),
    ?assertMatch(#{class := <<"ValueError">>, message := <<"not 13">>}, Error),
    ?assertEqual({messages, []}, process_info(self(), messages)).

or_errors_are_collected() ->
    Results = py:pmap(py_fixture, square_or_fail, lists:seq(1, 100), #{errors => collect}),
    ?assertEqual(100, length(Results)),
    [
        case Number of
            13 -> ?assertMatch({error, #{kind := python, class := <<"ValueError">>}}, Result);
            _ -> ?assertEqual({ok, Number * Number}, Result)
        end
     || {Number, Result} <- lists:enumerate(Results)
    ].

results_in_the_order_of_completion_have_numbers() ->
    Results = py:pmap(operator, neg, lists:seq(1, 50), #{order => completion, chunk => 1}),
    ?assertEqual([{N, -N} || N <- lists:seq(1, 50)], lists:sort(Results)).

a_deadline_ends_what_is_left() ->
    py_test_server:with_enough_time(fun(Milliseconds) ->
        Marker = py_test_server:marker(),
        Calls = [{operator, neg, [1]}, {py_fixture, hang, [Marker]}],
        [First, Second] = py:gather(py:scatter(Calls, #{errors => collect, deadline => Milliseconds})),
        ?assertMatch({error, #{kind := timeout}}, Second),
        First =:= {ok, -1} andalso py_test_server:has_begun(Marker) andalso
            is_binary(py_test_server:read(<<Marker/binary, ".stopped">>))
    end),
    ?assertMatch(#{kind := timeout}, py_test_server:failure(fun() ->
        py:gather(py:scatter([{py_fixture, hang, [py_test_server:marker()]}], #{deadline => 100}))
    end)).

progress_is_told() ->
    _ = py:pmap(operator, neg, lists:seq(1, 10), #{chunk => 2, progress => {self(), here}}),
    ?assertEqual([2, 4, 6, 8, 10], [receive {py_progress, here, Done, 10} -> Done end || _ <- lists:seq(1, 5)]).

chunks_are_as_large_as_is_said() ->
    ?assertEqual([[1, 2], [3, 4], [5]], py_units:chunks([1, 2, 3, 4, 5], 2)),
    %% One chunk: one worker.
    ?assertEqual(1, length(lists:usort(py:pmap(py_fixture, worker_for, lists:seq(1, 20), #{chunk => 20})))).

different_calls_are_gathered() ->
    Job = py:scatter([{math, pow, [2, 3]}, {builtins, int, [<<"11">>], [{base, 2}]}, {'os.path', basename, [<<"/a/b">>]}]),
    ?assertEqual([8.0, 3, "b"], py:gather(Job)).

the_same_call_runs_on_each_worker() ->
    Pids = [_, _] = py:identical(all, {os, getpid, []}),
    ?assertEqual(Pids, [Pid || #{pid := Pid, state := <<"active">>} <- py:workers()]),
    ?assertEqual([hd(Pids)], py:identical(1, {os, getpid, []})),
    ?assertMatch(#{kind := bad_arguments}, py_test_server:failure(fun() -> py:identical(3, {os, getpid, []}) end)),
    ?assertMatch([{error, #{}}, {error, #{}}], py:identical(all, {math, sqrt, [-1]}, #{errors => collect})),
    ?assertMatch(#{kind := not_found}, py_test_server:failure(fun() -> py:func(os, getpid, #{worker => 4000}) end)).

wrong_options_are_named() ->
    [
        ?assertMatch(#{kind := bad_arguments}, py_test_server:failure(fun() -> py:pmap(operator, neg, [1], Options) end))
     || Options <- [#{chunk => 0}, #{idempotent => 1}, #{errors => maybe_}, #{order => any}, #{deadline => soon}, #{in_flight => 0}, #{progress => 1}, #{no => 1}]
    ].

a_lost_worker_costs_its_chunk() ->
    Results = py:pmap(py_fixture, die_at_five, lists:seq(1, 10), #{errors => collect, chunk => 1}),
    ?assertMatch({error, #{kind := worker_lost}}, lists:nth(5, Results)),
    %% What the worker had done and not yet said is lost with it, and nothing else.
    [
        case Result of
            {ok, Value} -> ?assertEqual(Number, Value);
            {error, #{kind := Kind}} -> ?assertEqual(worker_lost, Kind)
        end
     || {Number, Result} <- lists:enumerate(Results)
    ],
    ?assertEqual({ok, 10}, lists:last(Results)).

what_is_idempotent_is_tried_again_item_by_item() ->
    Marker = py_test_server:marker(),
    Options = #{chunk => 4, idempotent => true, strings => binary},
    ?assertEqual([Marker, Marker, Marker, Marker], py:pmap(py_fixture, die_once, lists:duplicate(4, Marker), Options)),
    %% What kills its worker each time fails, and its neighbours in the chunk don't.
    Results = py:pmap(py_fixture, die_at_five, lists:seq(1, 8), Options#{errors => collect, chunk => 8, in_flight => 1}),
    ?assertMatch({error, #{kind := Kind}} when Kind =:= worker_lost; Kind =:= quarantined, lists:nth(5, Results)),
    ?assertEqual([{ok, Number} || Number <- lists:seq(1, 8), Number =/= 5], lists:delete(lists:nth(5, Results), Results)),
    Other = py_test_server:marker(),
    Job = py:scatter([{py_fixture, die_once, [Other]}], #{idempotent => true, strings => binary}),
    ?assertEqual([Other], py:gather(Job)).

a_straggler_is_run_a_second_time_when_it_is_idempotent() ->
    Marker = py_test_server:marker(),
    Items = [<<>>, Marker],
    ?assertEqual(["", binary_to_list(Marker)], py:pmap(py_fixture, hang_once, Items, #{chunk => 1, idempotent => true})),
    ?assertMatch(<<_/binary>>, py_test_server:read(<<Marker/binary, ".stopped">>)),
    ?assertEqual({messages, []}, process_info(self(), messages)).

what_a_dead_caller_has_scattered_is_stopped() ->
    Marker = py_test_server:marker(),
    Caller = spawn(fun() -> py:pmap(py_fixture, hang, [Marker]) end),
    _ = py_test_server:read(<<Marker/binary, ".started">>),
    exit(Caller, kill),
    ?assertMatch(<<_/binary>>, py_test_server:read(<<Marker/binary, ".stopped">>)).

%% The numbers from one on; `Taken' counts how many were asked for.
numbers(Number, Taken) ->
    fun() ->
        ok = counters:add(Taken, 1, 1),
        [Number | numbers(Number + 1, Taken)]
    end.

items_without_end_are_taken_as_there_is_room_for_them() ->
    Taken = counters:new(1, []),
    Ahead = fun(Result, {Results, _}) when Results =:= 5000 -> throw({enough, Result});
               (Result, {Results, Sum}) ->
                   %% 16 calls of at most 1000 items, what they gave before its turn, and no more.
                   ?assert(counters:get(Taken, 1) - Results =< 2 * 16 * 1000),
                   {Results + 1, Sum + Result}
            end,
    ?assertThrow({enough, -5001}, py:pmap(operator, neg, numbers(1, Taken), #{into => {Ahead, {0, 0}}})),
    ?assertEqual({messages, []}, process_info(self(), messages)).

results_are_given_as_they_are_completed() ->
    Marker = py_test_server:marker(),
    Others = fun() ->
        _ = py_test_server:read(<<Marker/binary, ".started">>),
        [{operator, neg, [1]}, {operator, neg, [2]}]
    end,
    Calls = fun() -> [{py_fixture, hang, [Marker]} | Others] end,
    Given = fun({Number, Value}, Sofar) when Number =/= 1 ->
        case [Value | Sofar] of
            [_, _] = Both -> throw(lists:sort(Both));
            One -> One
        end
    end,
    Job = py:scatter(Calls, #{order => completion, into => {Given, []}}),
    ?assertThrow([-2, -1], py:gather(Job)),
    %% The first one, which hangs, was taken back.
    ?assertMatch(<<_/binary>>, py_test_server:read(<<Marker/binary, ".stopped">>)).

results_of_lazy_items_come_in_their_order_too() ->
    Lazy = fun() -> [1, 2 | fun() -> fun() -> [3 | fun() -> lists:seq(4, 500) end] end end] end,
    ?assertEqual([-N || N <- lists:seq(1, 500)], py:pmap(operator, neg, Lazy)),
    Reversed = fun(Result, Sofar) -> [Result | Sofar] end,
    ?assertEqual([-N || N <- lists:seq(500, 1, -1)], py:pmap(operator, neg, Lazy, #{into => {Reversed, []}})),
    ?assertEqual([3, 2, 1], py:pmap(operator, pos, [1, 2, 3], #{into => {Reversed, []}, chunk => 1})),
    ?assertEqual([], py:pmap(operator, neg, fun() -> [] end)),
    Numbered = py:map(operator, neg, Lazy, #{order => completion, errors => collect}),
    ?assertEqual([{N, {ok, -N}} || N <- lists:seq(1, 500)], Numbered),
    ?assertMatch(#{kind := bad_arguments}, py_test_server:failure(fun() -> py:pmap(operator, neg, fun() -> [1 | 2] end) end)),
    ?assertMatch(#{kind := bad_arguments}, py_test_server:failure(fun() -> py:pmap(operator, neg, [1], #{into => 1}) end)).

what_the_caller_s_own_code_throws_takes_all_back() ->
    Marker = py_test_server:marker(),
    Started = <<Marker/binary, ".started">>,
    Items = fun() -> [Marker | fun() -> _ = py_test_server:read(Started), error(no_more) end] end,
    ?assertError(no_more, py:pmap(py_fixture, hang, Items)),
    ?assertMatch(<<_/binary>>, py_test_server:read(<<Marker/binary, ".stopped">>)),
    ?assertEqual({messages, []}, process_info(self(), messages)).

a_deadline_ends_what_is_lazy() ->
    Count = fun({ok, _}, {Ok, Late}) -> {Ok + 1, Late};
               ({error, #{kind := timeout}}, {Ok, Late}) -> {Ok, Late + 1}
            end,
    py_test_server:with_enough_time(fun(Milliseconds) ->
        Options = #{deadline => Milliseconds, errors => collect, into => {Count, {0, 0}}},
        {Done, _} = py:pmap(operator, neg, numbers(1, counters:new(1, [])), Options),
        Done > 0
    end).

methods_are_called_where_their_objects_live() ->
    Accounts = [py:init(py_fixture, 'Account') || _ <- lists:seq(1, 6)],
    Homes = py:pmap(py_fixture, worker_for, Accounts),
    ?assertEqual(Homes, [py:func(py_fixture, worker_for, [Account]) || Account <- Accounts]),
    ?assertEqual([5, 5, 5, 5, 5, 5], py:pmethod(Accounts, {deposit, [5]})),
    ?assertEqual([7, 7, 7, 7, 7, 7], py:pmethod(fun() -> Accounts end, {deposit, [2]}, #{errors => fail_fast})),
    ?assertMatch([{error, #{class := <<"AttributeError">>}} | _], py:pmethod(Accounts, nothing, #{errors => collect})),
    ?assertMatch(#{kind := bad_arguments}, py_test_server:failure(fun() -> py:pmethod([1], deposit) end)).

items_are_reduced_in_the_workers() ->
    ?assertEqual(500500, py:reduce(operator, add, lists:seq(1, 1000))),
    ?assertEqual(-500500, py:reduce(operator, add, lists:seq(1, 1000), #{each => {operator, neg}, chunk => 3})),
    ?assertEqual(7, py:reduce(operator, add, [7])),
    ?assertEqual(9, py:reduce(operator, add, [2, 3, 4], #{chunk => 1, binaries => bytes, idempotent => true})),
    _ = py:reduce(operator, add, lists:seq(1, 6), #{chunk => 2, in_flight => 1, progress => {self(), folded}}),
    ?assertEqual([2, 4, 6], [receive {py_progress, folded, Done, 6} -> Done end || _ <- lists:seq(1, 3)]),
    ?assertEqual({messages, []}, process_info(self(), messages)).

what_is_between_the_rounds_keeps_its_type() ->
    Fold = fun(Items, Options) -> py:reduce(py_fixture, joined, Items, Options#{chunk => 2}) end,
    Texts = [<<"a">>, <<"b">>, <<"c">>, <<"d">>, <<"e">>],
    ?assertEqual("abcde", Fold(Texts, #{})),
    ?assertEqual(<<"abcde">>, Fold(Texts, #{strings => binary})),
    ?assertEqual(<<"abcde">>, Fold(Texts, #{each => {py_fixture, as_bytes}})),
    ?assertEqual({1, 2, 3, 4, 5}, Fold(lists:seq(1, 5), #{each => {py_fixture, as_tuple}})).

a_reduction_ends_with_its_first_error_or_deadline() ->
    Failed = py_test_server:failure(fun() -> py:reduce(operator, add, lists:seq(1, 50), #{each => {py_fixture, square_or_fail}}) end),
    ?assertMatch(#{class := <<"ValueError">>, message := <<"not 13">>}, Failed),
    Marker = py_test_server:marker(),
    Late = fun() -> py:reduce(operator, add, [Marker], #{each => {py_fixture, hang}, deadline => 500}) end,
    ?assertMatch(#{kind := timeout}, py_test_server:failure(Late)).

a_reduction_says_what_is_wrong_with_it() ->
    [
        ?assertMatch(#{kind := bad_arguments}, py_test_server:failure(fun() -> py:reduce(operator, add, Items, Options) end))
     || {Items, Options} <- [
            {[], #{}}, {1, #{}}, {[1], #{each => neg}}, {[1], #{errors => collect}}, {[1], #{chunk => 0}}, {[1], none}
        ]
    ].
