%% Answers that the port keeps, and the option that asks for new ones.
-module(py_kept_answers_tests).

-include_lib("eunit/include/eunit.hrl").

-export([a_kept_answer_is_given_until_a_fresh_one_is_asked_for/0, an_option_that_is_neither_true_nor_false_is_refused/0]).

py_kept_answers_test_() ->
    {setup, fun start/0, fun py_test_server:stop/1, [
        {timeout, 120, fun ?MODULE:Name/0}
     || {Name, 0} <- ?MODULE:module_info(exports), not lists:member(Name, [module_info, test, py_kept_answers_test_])
    ]}.

start() ->
    File = unicode:characters_to_list(py_test_server:marker()) ++ ".toml",
    ok = file:write_file(File, "[cache.\"time:perf_counter_ns\"]\nstore = \"memory\"\n"),
    py_test_server:start([{arguments, ["--cache", File]}]).

now_there(Options) -> py:func(time, perf_counter_ns, [], Options).

a_kept_answer_is_given_until_a_fresh_one_is_asked_for() ->
    First = now_there(#{}),
    ?assertEqual(First, now_there(#{})),
    ?assertEqual(First, now_there(#{fresh => false})),
    Fresh = now_there(#{fresh => true}),
    ?assert(Fresh > First),
    ?assertEqual(Fresh, now_there(#{})).

an_option_that_is_neither_true_nor_false_is_refused() ->
    #{kind := bad_arguments, message := Message} =
        py_test_server:failure(fun() -> now_there(#{fresh => often}) end),
    ?assertMatch({_, _}, binary:match(Message, <<"fresh (true or false)">>)).
