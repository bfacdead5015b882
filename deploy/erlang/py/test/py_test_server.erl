%% What the test suites share: starting the application beside the fixtures, and waiting for what other processes do.
-module(py_test_server).

-export([start/0, start/1, stop/1, marker/0, read/1, touch/1, await/1, with_enough_time/1, has_begun/1]).
-export([os_pid/0, port/0, failure/1, gone/1]).

-include("../src/py_server.hrl").

%% The bridge to test is the one that BASCULE or PATH names.
start() -> start([]).

start(Environment) ->
    _ = application:load(py),
    Fixtures = filename:join(filename:dirname(source()), "python"),
    %% A machine that runs other things may start a bridge slowly.
    Settings = [{workers, 2}, {path, [Fixtures]} | Environment ++ [{start_timeout, 60_000}]],
    [application:unset_env(py, Key) || {Key, _} <- application:get_all_env(py)],
    [application:set_env(py, Key, Value) || {Key, Value} <- lists:reverse(Settings)],
    {ok, Started} = application:ensure_all_started(py),
    Started.

stop(_) ->
    _ = application:stop(py),
    ok.

source() ->
    proplists:get_value(source, ?MODULE:module_info(compile)).

%% A file name of its own for each use: fixtures tell there how far they are.
marker() ->
    Name = io_lib:format("py-test-~s-~b", [os:getpid(), erlang:unique_integer([positive])]),
    unicode:characters_to_binary(filename:join(os:getenv("PY_TEST_FOLDER", "/tmp"), Name)).

%% The content of a file that a fixture makes.
read(Path) ->
    await(fun() ->
        case file:read_file(Path) of
            {ok, Content} -> {true, Content};
            {error, enoent} -> false
        end
    end).

touch(Path) -> ok = file:write_file(Path, <<>>).

%% Until it is true, or the test's own limit ends it.
await(Condition) ->
    case Condition() of
        {true, Value} ->
            Value;
        true ->
            true;
        false ->
            timer:sleep(5),
            await(Condition)
    end.

%% Where a limit is to pass, but not before something has begun: with longer ones each time, until the attempt is true.
with_enough_time(Attempt) -> with_enough_time(Attempt, 250).

with_enough_time(Attempt, Milliseconds) -> Attempt(Milliseconds) orelse with_enough_time(Attempt, Milliseconds * 4).

%% Whether what tells that by this marker has run.
has_begun(Marker) -> filelib:is_regular(<<Marker/binary, ".started">>).

port() ->
    [#server{port = Port}] = ets:lookup(py_servers, default),
    Port.

%% The port program's.
os_pid() ->
    {os_pid, Pid} = erlang:port_info(port(), os_pid),
    Pid.

%% The error map of a call that must fail.
failure(Call) ->
    try Call() of
        Value -> error({did_not_fail, Value})
    catch
        error:{py_error, Error} -> Error
    end.

%% Whether no process of that number is left.
gone(Pid) ->
    case file:read_file(io_lib:format("/proc/~b/stat", [Pid])) of
        {error, _} -> true;
        {ok, Stat} -> binary:match(Stat, <<") Z ">>) =/= nomatch
    end.
