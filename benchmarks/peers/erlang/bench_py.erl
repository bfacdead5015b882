%% The application `py` under load, for the benchmarks.
-module(bench_py).

-export([start/2, small/2, rate/3, echoes/3, first_reply/1, small_beside_large/3]).

%% The bridge as the server `default', and the floor, a command, behind the same code.
start(Floor, Options) ->
    _ = application:load(py),
    [application:set_env(py, Key, Value) || {Key, Value} <- Options],
    {ok, _} = application:ensure_all_started(py),
    {ok, _} = py:add_server(floor, #{command => Floor}),
    ok = py_servers:leave(floor),
    1.

%% The median of so many small calls, in microseconds.
small(Server, Count) ->
    Options = #{server => Server},
    bench_node:p50(fun() -> py:add(37, 5, Options) end, Count).

%% Calls a second of so many callers.
rate(Server, Callers, Calls) ->
    Options = #{server => Server},
    Started = erlang:monotonic_time(),
    together(Callers, fun() -> [py:add(37, 5, Options) || _ <- lists:seq(1, Calls)] end),
    Callers * Calls / seconds(Started).

%% Echoes of a term a second.
echoes(Server, Term, Count) ->
    Options = #{server => Server, binaries => bytes, strings => binary},
    Started = erlang:monotonic_time(),
    [_ = py:func('benchmarks.subject', echo, [Term], Options) || _ <- lists:seq(1, Count)],
    Count / seconds(Started).

%% From a server's start to its first answer, in milliseconds.
first_reply(Settings) ->
    Started = erlang:monotonic_time(),
    {ok, _} = py:add_server(starting, Settings),
    _ = py:add(37, 5, #{server => starting}),
    Taken = seconds(Started) * 1000,
    ok = py_fleet:remove(starting, 0),
    Taken.

%% The 99th percentile of the small calls of 63 callers, in milliseconds, while one echoes something large all the time.
small_beside_large(Server, Large, Calls) ->
    Options = #{server => Server},
    Binary = binary:copy(<<0>>, Large),
    Echo = #{server => Server, binaries => bytes},
    Hog = spawn_link(fun Again() ->
        Large > 0 andalso py:func('benchmarks.subject', echo, [Binary], Echo),
        receive stop -> ok after 0 -> Again() end
    end),
    Taken = lists:append(together(63, fun() ->
        [
            begin
                Started = erlang:monotonic_time(),
                _ = py:add(37, 5, Options),
                seconds(Started) * 1000
            end
         || _ <- lists:seq(1, Calls)
        ]
    end)),
    Hog ! stop,
    lists:nth(length(Taken) * 99 div 100, lists:sort(Taken)).

together(Count, Fun) ->
    Self = self(),
    Callers = [spawn_link(fun() -> Self ! {self(), Fun()} end) || _ <- lists:seq(1, Count)],
    [receive {Caller, Value} -> Value end || Caller <- Callers].

seconds(Started) ->
    erlang:convert_time_unit(erlang:monotonic_time() - Started, native, nanosecond) / 1.0e9.
