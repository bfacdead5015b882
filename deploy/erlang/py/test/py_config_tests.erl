%% The application environment is checked before anything starts.
-module(py_config_tests).

-include_lib("eunit/include/eunit.hrl").

%% A program that is certainly there, so that only the setting under test can be wrong.
-define(THERE, {command, "/bin/sh"}).

wrong_settings_test_() ->
    [
        {
            lists:flatten(io_lib:format("~p is refused", [Setting])),
            fun() ->
                {error, Message} = py_config:read(default, [?THERE, Setting]),
                Text = unicode:characters_to_binary(Message),
                ?assertMatch({_, _}, binary:match(Text, atom_to_binary(element(1, Setting)))),
                ?assertMatch({_, _}, binary:match(Text, <<"expected">>))
            end
        }
     || Setting <- [
            {workers, 0},
            {workers, many},
            {packet, 3},
            {path, "/one/folder"},
            {path, [17]},
            {preload, numpy},
            {env, [home]},
            {options, []},
            {options, #{timeot => 5}},
            {options, #{server => other}},
            {max_restarts, -1},
            {restart_period, 0},
            {start_timeout, infinity},
            {python, 3},
            {python, "/no/such/python"},
            {cd, "/no/such/folder"},
            {scheduler, {no_such_module, choose}},
            {scheduler, {lists, no_such_function}},
            {worker_on_start, {no_such_module, started}}
        ]
    ].

unknown_settings_are_refused_with_the_list_of_all_test() ->
    {error, Message} = py_config:read(default, [?THERE, {worker, 2}]),
    ?assertMatch({_, _}, binary:match(unicode:characters_to_binary(Message), <<"there are command, workers">>)).

missing_programs_are_named_test() ->
    {error, Message} = py_config:read(default, [{command, "/no/such/program"}]),
    ?assertMatch({_, _}, binary:match(unicode:characters_to_binary(Message), <<"/no/such/program">>)).

settings_become_the_command_line_test() ->
    {ok, #{command := {"/bin/sh", Arguments}, packet := 2}} =
        py_config:read(default, [
            {command, ["/bin/sh", <<"-x">>]},
            {packet, 2},
            {workers, 3},
            {python, "python3.9"},
            {path, ["/a", <<"/b">>]},
            {preload, [json, "csv"]},
            {arguments, ["--more"]}
        ]),
    ?assertEqual(
        ["-x", "port", "--packet", "2", "--workers", "3", "--python", "python3.9", "--path", "/a", "--path", "/b"] ++
            ["--preload", "json", "--preload", "csv", "--more"],
        Arguments
    ).

a_program_that_is_no_bridge_fails_the_start_test_() ->
    [
        {timeout, 120, fun() ->
            ?assertMatch({error, _}, start([{command, Command}, {start_timeout, 1000}])),
            ?assertNotMatch({error, _}, application:get_all_env(py))
        end}
     || Command <- ["/bin/cat", "/bin/false", ["/bin/sh", "-c", "exit 3"], ["/bin/sh", "-c", "exec sleep 100"]]
    ].

the_defaults_of_calls_are_configurable_test_() ->
    {setup, fun() -> py_test_server:start([{options, #{strings => binary, maps => true}}]) end,
        fun py_test_server:stop/1, {timeout, 120, fun() ->
            ?assertEqual(#{<<"a">> => <<"b">>}, py:func(py_fixture, echo, [#{<<"a">> => <<"b">>}])),
            ?assertEqual("b", py:func(py_fixture, echo, [<<"b">>], #{strings => charlist}))
        end}}.

the_port_programs_surroundings_are_configurable_test_() ->
    Settings = [{env, [{"PY_TEST_WORD", "harbour"}, {<<"HOME">>, false}]}, {cd, "/"}, {preload, [colorsys]}],
    {setup, fun() -> py_test_server:start(Settings) end, fun py_test_server:stop/1, {timeout, 120, fun() ->
        ?assertEqual("harbour", py:func(os, getenv, [<<"PY_TEST_WORD">>])),
        ?assertEqual(undefined, py:func(os, getenv, [<<"HOME">>])),
        ?assertEqual("/", py:func(os, getcwd)),
        ?assertEqual(true, py:contains(py:const(sys, modules, #{want => handle}), <<"colorsys">>))
    end}}.

a_bridge_that_can_not_start_fails_the_start_test_() ->
    {timeout, 120, fun() ->
        ?assertMatch({error, _}, start([{arguments, ["--no-such-option"]}]))
    end}.

start(Environment) ->
    #{level := Level} = logger:get_primary_config(),
    ok = logger:set_primary_config(level, none),
    try
        {ok, py_test_server:start(Environment)}
    catch
        error:{badmatch, {error, Reason}} -> {error, Reason}
    after
        ok = logger:set_primary_config(level, Level)
    end.
