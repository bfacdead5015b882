%% @doc Makes the calls of a job, so many at a time, and collects their results.
%%
%% The caller's process does it all but take in the answers (see py_inbox), and when it dies its calls are taken back. What
%% is lost with a worker is begun again where the job allows it, and what straggles is begun a second time.
%%
%% A job whose items are lazy has a source: units are taken from it when there is room for them, so that neither the items
%% nor, with `into', the results are ever all there. Their chunks grow as long as they come back quickly.
-module(py_gather).

-export([gather/1, settings/1, wrong_setting/2, until/1, remaining/1]).

-include("py_wire.hrl").
-include("py_server.hrl").
-include("py_gather.hrl").

%% What takes so many times what is usual, and so many milliseconds, is begun a second time.
-define(STRAGGLES, 4).
-define(STRAGGLES_FROM, 1000).

%% @doc The settings of a job, and the options of its calls.
-spec settings(map()) -> {map(), map()}.
settings(Options) when is_map(Options) ->
    Defaults = #{
        errors => fail_fast,
        order => input,
        deadline => infinity,
        progress => none,
        chunk => auto,
        in_flight => ?IN_FLIGHT,
        idempotent => false,
        into => none
    },
    Ours = maps:with(maps:keys(Defaults), Options),
    Settings = maps:merge(Defaults, Ours),
    [
        setting(Key, Value) orelse wrong_setting(Key, Value)
     || {Key, Value} <- maps:to_list(Settings)
    ],
    {Settings, for_calls(maps:without(maps:keys(Defaults), Options), Ours)};
settings(Options) ->
    py_error:raise(bad_arguments, "options are a map, not ~0tp", [Options]).

%% @doc Refuse a setting.
-spec wrong_setting(term(), term()) -> no_return().
wrong_setting(Key, Value) ->
    py_error:raise(bad_arguments, "the option ~0tp => ~0tp has a wrong value", [Key, Value]).

%% The bridge would run a whole chunk again: that is decided here, item by item.
for_calls(Options, #{idempotent := _}) -> Options#{idempotent => false};
for_calls(Options, _) -> Options.

setting(errors, How) -> How =:= fail_fast orelse How =:= collect;
setting(order, How) -> How =:= input orelse How =:= completion;
setting(deadline, Ms) -> Ms =:= infinity orelse (is_integer(Ms) andalso Ms >= 0);
setting(progress, {Pid, _}) -> is_pid(Pid);
setting(progress, Pid) -> Pid =:= none orelse is_pid(Pid);
setting(chunk, Size) -> Size =:= auto orelse (is_integer(Size) andalso Size > 0);
setting(in_flight, Count) -> is_integer(Count) andalso Count > 0;
setting(idempotent, May) -> is_boolean(May);
setting(into, {Fun, _}) -> is_function(Fun, 2);
setting(into, None) -> None =:= none.

%% A unit's number, the unit, its call and when that was begun.
-type flight() :: {pos_integer(), unit(), py_call:pending(), integer()}.

%% What goes on while they are collected. `done' has {Number of the first item, results} of each unit that is through.
-record(gathering, {
    to_do :: [{pos_integer(), unit()}],
    in_flight = #{} :: #{reference() => flight()},
    done = [] :: [{pos_integer(), [term()]}],
    count = 0 :: non_neg_integer(),
    %% milliseconds that a unit takes, lately
    usual = none :: none | number(),
    until :: integer() | infinity,
    %% of more units, the number of their first item, and how many items to take at a time
    source :: source() | none,
    next :: pos_integer(),
    size :: pos_integer(),
    %% with `into': what came before its turn, whose turn it is, and what all results so far came to
    early = #{} :: #{pos_integer() => [term()]},
    turn = 1 :: pos_integer(),
    sum :: term(),
    inbox :: py_inbox:inbox(),
    job :: #job{}
}).

%% A chunk of a lazy job that took less than so many milliseconds makes the next ones longer, one that took more shorter.
-define(QUICK, 10).
-define(SLOW, 100).

%% @doc Make the calls, and wait for all results; or for what the function of `into' makes of them.
-spec gather(#job{}) -> term().
gather(#job{units = Units, source = Source, settings = #{into := Into, chunk := Chunk} = Settings} = Job) ->
    {Numbered, Next} = numbered(Units, 1),
    Inbox = py_inbox:open(),
    State = #gathering{
        to_do = Numbered,
        until = until(Settings),
        source = Source,
        next = Next,
        size = first_size(Chunk),
        inbox = Inbox,
        job = Job
    },
    try
        case Into of
            none -> collected(run(State));
            {_, Start} -> (run(State#gathering{sum = Start}))#gathering.sum
        end
    catch
        throw:{?MODULE, Error} -> error({py_error, Error})
    after
        py_inbox:close(Inbox)
    end.

first_size(auto) -> 1;
first_size(Size) -> Size.

%% @doc When a job must be through.
-spec until(map()) -> integer() | infinity.
until(#{deadline := infinity}) -> infinity;
until(#{deadline := Ms}) -> now_ms() + Ms.

%% Units with the number of their first item.
numbered(Units, First) ->
    lists:mapfoldl(fun(#unit{count = Count} = Unit, Number) -> {{Number, Unit}, Number + Count} end, First, Units).

collected(#gathering{done = Done, job = #job{settings = #{order := input} = Settings}}) ->
    [shown(Result, Settings) || {_, Results} <- lists:keysort(1, Done), Result <- Results];
collected(#gathering{done = Done, job = #job{settings = Settings}}) ->
    [
        {Number, shown(Result, Settings)}
     || {First, Results} <- lists:reverse(Done), {Number, Result} <- lists:enumerate(First, Results)
    ].

shown({ok, Value}, #{errors := fail_fast}) -> Value;
shown(Result, _) -> Result.

run(#gathering{to_do = [], source = none, in_flight = InFlight} = State) when map_size(InFlight) =:= 0 ->
    State;
run(#gathering{to_do = [], source = Source, in_flight = InFlight, early = Early, job = Job} = State) when
    is_function(Source),
    map_size(InFlight) < map_get(in_flight, Job#job.settings),
    map_size(Early) < map_get(in_flight, Job#job.settings)
->
    case time_is_up(State) of
        true -> late(State);
        false -> run(filled(State))
    end;
run(#gathering{to_do = [{Number, Unit} | Others], in_flight = InFlight, job = Job} = State) when
    map_size(InFlight) < map_get(in_flight, Job#job.settings)
->
    case time_is_up(State) of
        true -> late(State);
        false -> run(begun(Number, Unit, State#gathering{to_do = Others}))
    end;
run(#gathering{in_flight = InFlight, until = Until, inbox = Inbox} = State) ->
    case py_inbox:next(Inbox, min(Until, straggling(State))) of
        {Alias, {?OUTPUT, Output}} when is_map_key(Alias, InFlight) ->
            #{Alias := {_, _, Pending, _}} = InFlight,
            ok = py_answer:emit(Output, Pending),
            run(State);
        {Alias, Answer} when is_map_key(Alias, InFlight) ->
            run(answered(Alias, Answer, State));
        timeout ->
            case time_is_up(State) of
                true -> late(State);
                false -> run(look_for_stragglers(State))
            end;
        {down, Reason} ->
            stop(State, py_port:lost(Reason));
        %% Of a call that was taken back.
        _ ->
            run(State)
    end.

%% More units, from where they come from.
filled(#gathering{source = Source, next = Next, size = Size} = State) ->
    case guarded(fun() -> Source(Size) end, State) of
        done ->
            State#gathering{source = none};
        {Units, Others} ->
            {Numbered, After} = numbered(Units, Next),
            State#gathering{to_do = Numbered, source = Others, next = After}
    end.

%% The caller's own code, or its arguments: what these raise takes all back that is under way.
guarded(Fun, State) ->
    try
        Fun()
    catch
        Class:Reason:Stack ->
            ok = taken_back(State),
            erlang:raise(Class, Reason, Stack)
    end.

taken_back(#gathering{in_flight = InFlight, inbox = Inbox}) ->
    lists:foreach(fun({_, _, Pending, _}) -> py_call:abandon(Inbox, Pending) end, maps:values(InFlight)).

begun(Number, #unit{start = Begin} = Unit, State) ->
    case guarded(fun() -> Begin(State#gathering.inbox) end, State) of
        {ok, Pending} -> in_flight({Number, Unit, Pending, now_ms()}, State);
        {failed, Error, _} -> finished(Number, Unit, {error, Error}, State)
    end.

in_flight({_, _, #pending{alias = Alias}, _} = Flight, #gathering{in_flight = InFlight} = State) ->
    State#gathering{in_flight = InFlight#{Alias => Flight}}.

%% When the next one that may be begun twice will have taken too long. Never (infinity, above all numbers) as long as
%% there is something else to begin.
straggling(#gathering{to_do = [], source = none, in_flight = InFlight, usual = Usual}) when is_number(Usual) ->
    lists:min([infinity | [Since + patience(Usual) || {_, #unit{twice = true}, _, Since} <- maps:values(InFlight)]]);
straggling(_) ->
    infinity.

patience(Usual) -> round(max(?STRAGGLES_FROM, ?STRAGGLES * Usual)).

%% A second call beside the first, where it can be begun now: neither is begun a third time.
look_for_stragglers(#gathering{in_flight = InFlight, usual = Usual} = State) ->
    Before = now_ms() - patience(Usual),
    Late = [Flight || {_, #unit{twice = true}, _, Since} = Flight <- maps:values(InFlight), Since =< Before],
    lists:foldl(
        fun({Number, Unit, Pending, Since}, Sofar) ->
            Once = Unit#unit{twice = false},
            Known = in_flight({Number, Once, Pending, Since}, Sofar),
            case (Unit#unit.start)(State#gathering.inbox) of
                {ok, Second} -> in_flight({Number, Once, Second, now_ms()}, Known);
                {failed, _, _} -> Known
            end
        end,
        State,
        Late
    ).

now_ms() -> erlang:monotonic_time(millisecond).

answered(Alias, Answer, #gathering{in_flight = InFlight, usual = Usual, inbox = Inbox} = State) ->
    {{Number, Unit, #pending{choice = Choice}, Since}, Others} = maps:take(Alias, InFlight),
    Outcome = py_answer:settle(Answer, Choice#choice{on_error = return}),
    {Twins, Left} = taken_apart(Number, Others),
    _ = [py_call:abandon(Inbox, Pending) || {_, _, Pending, _} <- Twins],
    Took = now_ms() - Since,
    Known = State#gathering{in_flight = Left, usual = lately(Usual, Took), size = suitable(Unit, Took, State)},
    finished(Number, Unit, Outcome, Known).

%% How many items the next chunks should have, if nobody has said.
suitable(_, _, #gathering{source = none, size = Size}) ->
    Size;
suitable(#unit{count = Count}, Took, #gathering{size = Size, job = #job{settings = #{chunk := auto}}}) ->
    if
        Took < ?QUICK, Count >= Size -> min(Size * 2, ?MOST_IN_CHUNK);
        Took > ?SLOW -> max(1, Size div 2);
        true -> Size
    end;
suitable(_, _, #gathering{size = Size}) ->
    Size.

%% The flights of a unit, and the others.
taken_apart(Number, InFlight) ->
    Twins = maps:filter(fun(_, {Other, _, _, _}) -> Other =:= Number end, InFlight),
    {maps:values(Twins), maps:without(maps:keys(Twins), InFlight)}.

lately(none, Took) -> Took;
lately(Usual, Took) -> Usual + (Took - Usual) * 0.2.

finished(Number, #unit{again = Again}, {error, #{kind := Lost}}, #gathering{to_do = ToDo} = State) when
    is_function(Again),
    (Lost =:= worker_lost orelse Lost =:= disconnected orelse Lost =:= pool_unavailable orelse Lost =:= overloaded)
->
    {Numbered, _} = numbered(Again(), Number),
    State#gathering{to_do = Numbered ++ ToDo};
finished(Number, #unit{count = Count, expand = Expand}, Outcome, State) ->
    #gathering{count = Before, job = Job} = State,
    Results = Expand(Outcome),
    #job{settings = #{errors := Errors, progress := Progress}, total = Total} = Job,
    ok = tell(Progress, Before + Count, Total),
    case [Error || Errors =:= fail_fast, {error, Error} <- Results] of
        [] -> kept(Number, Results, State#gathering{count = Before + Count});
        [Error | _] -> stop(State, Error)
    end.

%% Results are there: to be given at the end, or to the function of `into', when it is their turn.
kept(Number, Results, #gathering{done = Done, job = #job{settings = #{into := none}}} = State) ->
    State#gathering{done = [{Number, Results} | Done]};
kept(Number, Results, #gathering{job = #job{settings = #{order := completion}}} = State) ->
    added([{At, Result} || {At, Result} <- lists:enumerate(Number, Results)], State);
kept(Number, Results, #gathering{early = Early} = State) ->
    in_turn(State#gathering{early = Early#{Number => Results}}).

in_turn(#gathering{early = Early, turn = Turn} = State) ->
    case maps:take(Turn, Early) of
        {Results, Others} ->
            in_turn(added([{input, Result} || Result <- Results], State#gathering{
                early = Others, turn = Turn + length(Results)
            }));
        error ->
            State
    end.

added(Results, #gathering{sum = Sum, job = #job{settings = #{into := {Fun, _}} = Settings}} = State) ->
    Add = fun
        ({input, Result}, Sofar) -> Fun(shown(Result, Settings), Sofar);
        ({Number, Result}, Sofar) -> Fun({Number, shown(Result, Settings)}, Sofar)
    end,
    State#gathering{sum = guarded(fun() -> lists:foldl(Add, Sum, Results) end, State)}.

tell(none, _, _) -> ok;
tell({Pid, Tag}, Done, Total) ->
    Pid ! {py_progress, Tag, Done, Total},
    ok;
tell(Pid, Done, Total) ->
    tell({Pid, self()}, Done, Total).

-spec stop(#gathering{}, py_error:error()) -> no_return().
stop(State, Error) ->
    ok = taken_back(State),
    throw({?MODULE, Error}).

%% The deadline: what runs is stopped, what was not begun is not, and no more is taken of what is lazy.
late(#gathering{in_flight = InFlight, to_do = ToDo, job = #job{settings = #{errors := Errors}}} = State) ->
    Error = py_error:make(timeout, "the deadline of all passed", []),
    case Errors of
        fail_fast ->
            stop(State, Error);
        collect ->
            ok = taken_back(State),
            Left = lists:ukeysort(1, [{Number, Unit} || {Number, Unit, _, _} <- maps:values(InFlight)] ++ ToDo),
            lists:foldl(
                fun({Number, Unit}, Sofar) -> finished(Number, Unit, {error, Error}, Sofar) end,
                State#gathering{in_flight = #{}, to_do = [], source = none},
                Left
            )
    end.

time_is_up(#gathering{until = infinity}) -> false;
time_is_up(#gathering{until = Until}) -> now_ms() >= Until.

%% @doc How many milliseconds are left until then.
-spec remaining(integer() | infinity) -> timeout().
remaining(infinity) -> infinity;
remaining(Until) -> max(0, Until - now_ms()).
