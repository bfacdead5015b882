%% What the suites share: an instance for one test, and ErlPort's own modules where they are at hand.
-module(erlport_instance).

-export([python/0, call/3, call/4, call/5, cast/2, start/1, stop/1, with/1, with/2, apart/1, outcome/1, gone/1]).

python() ->
    case os:getenv("ERLPORT_EBIN", "") of
        "" -> erlport_driver;
        _ -> python
    end.

call(Instance, Function, Args) ->
    call(Instance, erlport_fixture, Function, Args).

call(Instance, Module, Function, Args) ->
    (python()):call(Instance, Module, Function, Args).

call(Instance, Module, Function, Args, Options) ->
    (python()):call(Instance, Module, Function, Args, Options).

cast(Instance, Message) ->
    (python()):cast(Instance, Message).

start(Options) ->
    {ok, Instance} = (python()):start([
        {python, os:getenv("BASCULE_ERLPORT")}, {python_path, [os:getenv("ERLPORT_FIXTURES")]} | Options
    ]),
    Instance.

stop(Instance) ->
    Monitor = monitor(process, Instance),
    (python()):stop(Instance),
    receive {'DOWN', Monitor, process, Instance, _} -> ok end.

with(Test) ->
    with([], Test).

with(Options, Test) ->
    Instance = start(Options),
    try
        Test(Instance)
    after
        stop(Instance)
    end.

%% Runs it in a process of its own; `outcome(Ref)` waits for what it returned or raised.
apart(Run) ->
    {_, Ref} = spawn_monitor(fun() -> exit({outcome, try {ok, Run()} catch error:Reason -> {error, Reason} end}) end),
    Ref.

outcome(Ref) ->
    receive {'DOWN', Ref, process, _, {outcome, Outcome}} -> Outcome after 120000 -> error(no_outcome) end.

%% True once the operating system has no such process.
gone(Pid) ->
    gone(Pid, 6000).

gone(_, 0) ->
    false;
gone(Pid, Left) ->
    case file:read_file("/proc/" ++ integer_to_list(Pid) ++ "/stat") of
        {error, _} ->
            true;
        {ok, Stat} ->
            case re:run(Stat, "\\) Z ") of
                {match, _} -> true;
                nomatch -> receive after 10 -> gone(Pid, Left - 1) end
            end
    end.
