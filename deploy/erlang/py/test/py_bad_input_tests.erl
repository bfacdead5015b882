%% What no one should send, and what it costs: a clear error to the one caller, nothing to the others, never the node.
-module(py_bad_input_tests).

-include_lib("eunit/include/eunit.hrl").
-include("../src/py_server.hrl").

-export([
    an_unknown_function_is_an_error/0,
    a_million_names_make_no_atom/0,
    forged_atoms_are_refused/0,
    a_port_program_that_dies_in_mid_frame_is_replaced/0,
    an_answer_to_a_dead_process_is_dropped/0,
    an_answer_that_nobody_asked_for_is_dropped/0,
    small_calls_go_on_beside_a_large_echo/0
]).

py_bad_input_test_() ->
    {setup, fun py_test_server:start/0, fun py_test_server:stop/1, [
        {atom_to_list(Name), {timeout, 120, fun ?MODULE:Name/0}}
     || {Name, 0} <- ?MODULE:module_info(exports), not lists:member(Name, [module_info, test, py_bad_input_test_])
    ]}.

an_unknown_function_is_an_error() ->
    ?assertMatch({error, #{kind := not_found}}, py:func(math, no_such_function, [], #{on_error => return})),
    ?assertMatch({error, #{kind := not_found}}, py:func(no_such_module, f, [], #{on_error => return})),
    ?assertEqual(42, py:add(37, 5)).

a_million_names_make_no_atom() ->
    _ = py:func(py_fixture, names, [1], #{maps => true, strings => binary}),
    Before = erlang:system_info(atom_count),
    Names = py:func(py_fixture, names, [1_000_000], #{maps => true, strings => binary}),
    ?assertEqual(1_000_000, map_size(Names)),
    ?assertEqual(Before, erlang:system_info(atom_count)).

forged_atoms_are_refused() ->
    Before = erlang:system_info(atom_count),
    ?assertMatch({error, #{kind := not_encodable}}, py:func(py_fixture, forged_atoms, [1000], #{on_error => return})),
    ?assertEqual(Before, erlang:system_info(atom_count)),
    ?assertEqual(42, py:add(37, 5)).

a_port_program_that_dies_in_mid_frame_is_replaced() ->
    {ok, [Fixtures]} = application:get_env(py, path),
    Python = py:const(sys, executable),
    ok = logger:set_primary_config(level, none),
    {ok, _} = py:add_server(dying, #{command => [Python, filename:join(Fixtures, "half_a_frame.py")]}),
    [
        ?assertMatch(
            {error, #{kind := disconnected, details := #{exit_code := _}}},
            py:add(37, 5, #{server => dying, on_error => return})
        )
     || _ <- [first, second]
    ],
    ?assertEqual(42, py:add(37, 5, #{server => default})),
    ok = py_servers:leave(dying),
    ok = py:remove_server(dying),
    ok = logger:set_primary_config(level, notice).

an_answer_to_a_dead_process_is_dropped() ->
    Marker = py_test_server:marker(),
    Caller = spawn(fun() -> py:func(py_fixture, hang, [Marker]) end),
    _ = py_test_server:read(<<Marker/binary, ".started">>),
    exit(Caller, kill),
    _ = py_test_server:read(<<Marker/binary, ".stopped">>),
    ?assertEqual(42, py:add(37, 5)).

an_answer_that_nobody_asked_for_is_dropped() ->
    [#server{port = Port, owner = Owner}] = ets:lookup(py_servers, default),
    %% To a callback that never was, and of a call in the course of one.
    true = port_command(Port, py_wire:reply(12345, nobody)),
    true = port_command(Port, <<13, 3, 0:16, 77:64/little, 0:64, 12345:64/little, 1, 0, 0:48>>),
    ?assertEqual(42, py:add(37, 5)),
    ?assert(is_process_alive(Owner)).

%% All 63 get on while one echoes as fast as it can.
small_calls_go_on_beside_a_large_echo() ->
    Large = {bytes, binary:copy(<<0>>, 100 bsl 20)},
    Hog = spawn_link(fun Again() ->
        _ = py:func(py_fixture, echo, [Large]),
        receive stop -> ok after 0 -> Again() end
    end),
    Self = self(),
    Callers = [
        spawn_link(fun() -> Self ! {self(), [py:add(Caller, N) || N <- lists:seq(1, 20)]} end)
     || Caller <- lists:seq(1, 63)
    ],
    [
        receive {Pid, Sums} -> ?assertEqual([Caller + N || N <- lists:seq(1, 20)], Sums) end
     || {Caller, Pid} <- lists:enumerate(Callers)
    ],
    Monitor = monitor(process, Hog),
    Hog ! stop,
    receive {'DOWN', Monitor, process, Hog, Reason} -> ?assertEqual(normal, Reason) end.
