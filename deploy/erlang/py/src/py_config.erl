%% @doc The application environment, checked before anything starts.
%%
%% <ul>
%% <li>`command': the port program: a name on PATH or a path, or `[Program | Arguments]'. Without it the environment
%%     variable BASCULE, else `bascule' on PATH.</li>
%% <li>`workers': how many Python processes; without it the bridge chooses.</li>
%% <li>`python': the interpreter they run, a name on PATH or a path; any CPython from 3.9 on, also a virtual
%%     environment's. Without it the bridge's own.</li>
%% <li>`path': folders put before `sys.path', a list of strings.</li>
%% <li>`preload': Python modules to import before the first call, a list of names.</li>
%% <li>`arguments': further arguments of `bascule port', a list of strings.</li>
%% <li>`env': environment variables of the port program, `[{Name, Value | false}]'.</li>
%% <li>`cd': its working folder.</li>
%% <li>`packet': 1, 2 or 4 (the default) bytes of length before each frame; 1 and 2 bound what a call may carry.</li>
%% <li>`start_timeout' (10000 ms): for the port program's first word.</li>
%% <li>`shutdown_timeout' (2000 ms): for its end when the application stops.</li>
%% <li>`max_restarts' (3) in `restart_period' (10 s): as OTP's supervisors mean them.</li>
%% <li>`options': defaults for the options of every call, see {@link py_options}.</li>
%% <li>`scheduler' (`first'): who chooses where there are several servers, see {@link py_sched}.</li>
%% <li>`worker_scheduler' (`least_busy'): how a server's bridge chooses among its workers, an atom: `least_busy',
%%     `round_robin', `random', `first', `least_reductions', `least_messages_in', `youngest', `oldest', or a string
%%     `"module:function"' that names a Python function.</li>
%% <li>`callbacks' (`all'): what Python code may call here: `all', `none', a list of `Module' and
%%     `{Module, Function}', or a fun of module, function and arguments that gives a boolean.</li>
%% <li>`worker_on_start': `{Module, Function}' to call with the pid of each server that has started.</li>
%% <li>`log_level': the least severe level that is logged, as in {@link logger:set_application_level/2}.</li>
%% </ul>
%%
%% The names that LFE py has for these are understood too: 'log-level', 'python-path', 'erlport-max-restarts',
%% 'erlport-restart-threshold', 'erlport-shutdown-timeout', 'worker-count', 'worker-on-start', 'scheduler-mod' and
%% 'scheduler-func'.
-module(py_config).

-export([read/2, effective/0, get/1]).

-export_type([config/0]).

-include("py_server.hrl").

-type config() :: #{
    name := atom(),
    command := {file:filename(), [string()]},
    packet := 1 | 2 | 4,
    env := [{string(), string() | false}],
    cd => file:filename(),
    start_timeout := pos_integer(),
    shutdown_timeout := pos_integer(),
    max_restarts := non_neg_integer(),
    restart_period := pos_integer(),
    callbacks := py_callback:policy(),
    scheduler := py_sched:scheduler(),
    worker_on_start => {module(), atom()},
    log_level => logger:level(),
    defaults := #choice{}
}.

%% Its name in LFE py => its name here, where a value means the same.
-define(ALIASES, #{
    'log-level' => log_level,
    'python-path' => path,
    'erlport-max-restarts' => max_restarts,
    'erlport-restart-threshold' => restart_period,
    'erlport-shutdown-timeout' => shutdown_timeout,
    'worker-count' => workers,
    'worker-on-start' => worker_on_start
}).

%% @doc The configuration of the server `Name', or what is wrong with it.
-spec read(atom(), [{atom(), term()}]) -> {ok, config()} | {error, unicode:chardata()}.
read(Name, Environment) ->
    %% OTP itself puts this one there.
    Given = maps:from_list(proplists:delete(included_applications, Environment)),
    try
        Values = values(Given),
        {Program, First} = program(Values),
        Optional = maps:with([cd, worker_on_start, log_level], Values),
        Required = maps:with(
            [packet, env, start_timeout, shutdown_timeout, max_restarts, restart_period, callbacks, scheduler], Values
        ),
        {ok,
            maps:merge(Optional, Required#{
                name => Name,
                command => {Program, First ++ ["port" | port_arguments(Values)]},
                defaults => maps:get(options, Values)
            })}
    catch
        throw:{bad, Format, Arguments} -> {error, io_lib:format(Format, Arguments)}
    end.

%% @doc All settings as they are now, defaults included.
-spec effective() -> #{atom() => term()}.
effective() ->
    values(maps:from_list(proplists:delete(included_applications, application:get_all_env(py)))).

%% @doc One setting as it is now; `undefined' is what has no value.
-spec get(atom()) -> term().
get(Key) ->
    maps:get(maps:get(Key, ?ALIASES, Key), effective(), undefined).

values(Given) ->
    maps:fold(fun(Key, Value, Map) -> Map#{Key => checked(Key, Value)} end, defaults(), translated(Given)).

%% In LFE py a scheduler is two settings, and the path may be one string.
translated(Given) ->
    Renamed = maps:fold(
        fun
            ('python-path', [First | _] = Folder, Map) when is_integer(First) -> Map#{path => [Folder]};
            (Key, Value, Map) -> Map#{maps:get(Key, ?ALIASES, Key) => Value}
        end,
        #{},
        maps:without(['scheduler-mod', 'scheduler-func'], Given)
    ),
    case Given of
        #{'scheduler-func' := Function} -> Renamed#{scheduler => {maps:get('scheduler-mod', Given, 'py-sched'), Function}};
        #{'scheduler-mod' := Module} -> Renamed#{scheduler => {Module, 'least-reductions'}};
        _ -> Renamed
    end.

defaults() ->
    #{
        callbacks => all,
        scheduler => first,
        worker_scheduler => least_busy,
        packet => 4,
        path => [],
        preload => [],
        arguments => [],
        env => [],
        start_timeout => 10_000,
        shutdown_timeout => 2_000,
        max_restarts => 3,
        restart_period => 10,
        options => #choice{}
    }.

checked(callbacks, Policy) when Policy =:= all; Policy =:= none; is_function(Policy, 3) -> Policy;
checked(callbacks, Policy) when is_list(Policy) ->
    [
        case Allowed of
            {Module, Function} when is_atom(Module), is_atom(Function) -> Allowed;
            Module when is_atom(Module) -> Allowed;
            Other -> bad(callbacks, "a list of Module and {Module, Function}", Other)
        end
     || Allowed <- Policy
    ];
checked(callbacks, Other) -> bad(callbacks, "all, none, a list or a fun of three arguments", Other);
checked(scheduler, Fun) when is_function(Fun, 0); is_function(Fun, 1) -> Fun;
checked(scheduler, {Module, Function}) when is_atom(Module), is_atom(Function) ->
    exported(scheduler, Module, Function, [0, 1]);
checked(scheduler, Name) ->
    Known = [first, random, least_reductions, least_messages_in, youngest, oldest, round_robin],
    case lists:member(Name, Known) of
        true -> Name;
        false -> bad(scheduler, io_lib:format("one of ~0tp, {Module, Function} or a fun", [Known]), Name)
    end;
checked(worker_scheduler, Name) -> text(worker_scheduler, Name);
checked(worker_on_start, {Module, Function}) when is_atom(Module), is_atom(Function) ->
    exported(worker_on_start, Module, Function, [1]);
checked(worker_on_start, Other) -> bad(worker_on_start, "{Module, Function}", Other);
checked(log_level, Level) ->
    Known = [emergency, alert, critical, error, warning, notice, info, debug, all, none],
    case lists:member(Level, Known) of
        true -> Level;
        false -> bad(log_level, io_lib:format("one of ~0tp", [Known]), Level)
    end;
checked(packet, Packet) when Packet =:= 1; Packet =:= 2; Packet =:= 4 -> Packet;
checked(packet, Other) -> bad(packet, "1, 2 or 4", Other);
checked(max_restarts, Times) when is_integer(Times), Times >= 0 -> Times;
checked(max_restarts, Other) -> bad(max_restarts, "an integer from 0 on", Other);
checked(Key, Number) when Key =:= workers; Key =:= start_timeout; Key =:= shutdown_timeout; Key =:= restart_period ->
    case is_integer(Number) andalso Number > 0 of
        true -> Number;
        false -> bad(Key, "an integer from 1 on", Number)
    end;
checked(python, Name) ->
    Python = text(python, Name),
    %% A name, or a path from `cd', is for the bridge to find, in its own surroundings.
    case filename:pathtype(Python) =/= absolute orelse os:find_executable(Python) =/= false of
        true -> Python;
        false -> bad(python, "an executable", Python)
    end;
checked(cd, Name) ->
    Folder = text(cd, Name),
    case filelib:is_dir(Folder) of
        true -> Folder;
        false -> bad(cd, "a folder that is there", Folder)
    end;
checked(command, [First | _] = Words) when not is_integer(First) -> [text(command, Word) || Word <- Words];
checked(command, Program) ->
    [text(command, Program)];
checked(Key, Texts) when Key =:= path; Key =:= preload; Key =:= arguments ->
    case is_list(Texts) andalso not lists:any(fun is_integer/1, Texts) of
        true -> [text(Key, Text) || Text <- Texts];
        false -> bad(Key, "a list of strings", Texts)
    end;
checked(env, Variables) when is_list(Variables) ->
    [
        case Variable of
            {Name, false} -> {text(env, Name), false};
            {Name, Value} -> {text(env, Name), text(env, Value)};
            Other -> bad(env, "a list of {Name, Value}", Other)
        end
     || Variable <- Variables
    ];
checked(env, Other) ->
    bad(env, "a list of {Name, Value}", Other);
checked(options, Options) when is_map(Options) ->
    case py_options:defaults(Options) of
        {ok, Choice} -> Choice;
        {error, Key, Value} -> bad(options, "options of a call (see py_options)", #{Key => Value})
    end;
checked(options, Other) ->
    bad(options, "a map", Other);
checked(Key, _) ->
    throw({bad, "~0tp is no setting of py: there are ~ts", [Key, known()]}).

%% A function with one of these numbers of arguments.
exported(Key, Module, Function, Arities) ->
    _ = code:ensure_loaded(Module),
    case lists:any(fun(Arity) -> erlang:function_exported(Module, Function, Arity) end, Arities) of
        true -> {Module, Function};
        false ->
            Numbers = lists:join(" or ", [integer_to_list(Arity) || Arity <- Arities]),
            bad(Key, io_lib:format("an exported function with ~ts arguments", [Numbers]), {Module, Function})
    end.

known() ->
    "command, workers, python, path, preload, arguments, env, cd, packet, start_timeout, shutdown_timeout, "
    "max_restarts, restart_period, options, scheduler, worker_scheduler, callbacks, worker_on_start and log_level".

text(_, Text) when is_binary(Text), byte_size(Text) > 0 -> unicode:characters_to_list(Text);
text(Key, Text) when is_atom(Text), Key =/= env -> atom_to_list(Text);
text(Key, [First | _] = Text) when is_integer(First) ->
    case io_lib:char_list(Text) of
        true -> Text;
        false -> bad(Key, "a string", Text)
    end;
text(Key, Text) ->
    bad(Key, "a string", Text).

-spec bad(atom(), unicode:chardata(), term()) -> no_return().
bad(Key, Expected, Value) ->
    throw({bad, "~ts: ~ts is expected, not ~0tp", [Key, Expected, Value]}).

%% The port program is looked for now, so that its absence is said in words.
program(#{command := [Program | Arguments]}) ->
    {found(Program, "the setting command names"), Arguments};
program(_) ->
    case os:getenv("BASCULE") of
        Program when is_list(Program), Program =/= "" -> {found(Program, "the variable BASCULE names"), []};
        _ -> {found("bascule", "without the setting command or the variable BASCULE, PATH must have"), []}
    end.

found(Program, Source) ->
    case os:find_executable(Program) of
        false -> throw({bad, "~ts ~ts, and there is no such executable", [Source, Program]});
        %% A port's program is looked for from its own folder: a relative path must not depend on that.
        Path -> filename:absname(Path)
    end.

port_arguments(#{packet := Packet, path := Path, preload := Preload, arguments := Arguments} = Values) ->
    ["--packet", integer_to_list(Packet)] ++
        lists:append([["--workers", integer_to_list(Workers)] || #{workers := Workers} <- [Values]]) ++
        lists:append([["--python", Python] || #{python := Python} <- [Values]]) ++
        lists:append([["--path", Folder] || Folder <- Path]) ++
        lists:append([["--preload", Module] || Module <- Preload]) ++
        lists:append([["--scheduler", Scheduler] || #{worker_scheduler := Scheduler} <- [Values], Scheduler =/= least_busy]) ++
        Arguments.
