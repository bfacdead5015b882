%% @doc Many calls at once, and their results together.
%%
%% {@link pmap/4} calls one function with each of many items: the items travel in chunks, several chunks are under way at
%% any time, on all servers that take calls. {@link scatter/2} and {@link gather/1} do it with calls that differ, {@link
%% identical/3} with the same call on several Python workers, {@link reduce/4} brings items together in the workers.
%%
%% A caller that dies takes all of it back. With `idempotent' what was lost with a worker or a server is begun again, item
%% by item, so that one that kills its worker is told apart from its neighbours; and when nothing is left to begin and
%% something takes far longer than others did, it is begun a second time, and the first outcome counts.
%%
%% Options, beside those of a call:
%% <ul>
%% <li>`errors': `fail_fast' (the default) stops all when one fails, and raises its error; `collect' gives `{ok, Value}'
%%     or `{error, Map}' for each.</li>
%% <li>`order': `input' (the default); or `completion', then each result is `{Number, Result}', from 1.</li>
%% <li>`deadline': milliseconds for everything; what is not there then has failed with `timeout', and is stopped.</li>
%% <li>`progress': a process that gets `{py_progress, Tag, Done, Total}' whenever some are done; or `{Pid, Tag}'.</li>
%% <li>`chunk': items in one call, or `auto'.</li>
%% <li>`in_flight': calls under way at a time (16).</li>
%% <li>`idempotent': `true' if an item may be done twice.</li>
%% </ul>
-module(py_scatter).

-export([map/4, pmap/4, scatter/2, gather/1, identical/3, reduce/4, chunks/2]).

-export_type([job/0, call/0, place/0]).

-include("py_wire.hrl").
-include("py_server.hrl").

-type call() ::
    {py:name(), py:name(), [term()]} | {py:name(), py:name(), [term()], py:keywords()}.
-type place() :: all | pos_integer().
-record(job, {units :: [unit()], settings :: map(), total :: non_neg_integer()}).
-opaque job() :: #job{}.
%% What is done by one call: how many results it gives, how it is begun, how they are had from its outcome, what is done
%% instead when it is lost (nothing where it must not be begun again), and whether a second one may run beside it.
-record(unit, {
    count = 1 :: pos_integer(),
    start :: fun(() -> term()),
    expand = fun single/1 :: fun((term()) -> [{ok, term()} | {error, py_error:error()}]),
    again = [] :: fun(() -> [unit()]) | [],
    twice = false :: boolean()
}).
-type unit() :: #unit{}.

-define(IN_FLIGHT, 16).
-define(MOST_IN_CHUNK, 1000).
-define(CHUNKS_PER_CALL, 4).
%% How often an item is tried in all, the first time with its chunk.
-define(TRIES, 3).
%% What takes so many times what is usual, and so many milliseconds, is begun a second time.
-define(STRAGGLES, 4).
-define(STRAGGLES_FROM, 1000).
%% Items that one call reduces.
-define(FOLDED, 256).
-define(FOLDING, <<"bascule.workers.folding">>).

%% @doc Call a function with each item, one after the other.
-spec map(py:name(), py:name(), [term()], map()) -> [term()].
map(Module, Function, Items, Options) ->
    pmap(Module, Function, Items, Options#{in_flight => 1, chunk => 1}).

%% @doc Call a function with each item, in parallel. An item is the one argument.
-spec pmap(py:name(), py:name(), [term()], map()) -> [term()].
pmap(Module, Function, Items, Options) when is_list(Items) ->
    {Settings, CallOptions} = settings(Options),
    Target = py_wire:target(Module, Function),
    Chunks = chunks(Items, chunk_size(Settings, length(Items))),
    Names = py_servers:names(),
    Units = [
        chunk_unit(Target, Chunk, on_server(Number, Names, CallOptions), tries(Settings))
     || {Number, Chunk} <- lists:enumerate(Chunks)
    ],
    gather(#job{units = Units, settings = Settings, total = length(Items)});
pmap(_, _, Items, _) ->
    not_a_list(Items).

-spec not_a_list(term()) -> no_return().
not_a_list(Items) -> py_error:raise(bad_arguments, "items are a list, not ~0tp", [Items]).

%% A chunk that may be tried so often: what is lost of it is tried again item by item.
chunk_unit(Target, Chunk, Options, Tries) ->
    Begin = begin_chunk(Target, Chunk, Options),
    Again = fun() -> [chunk_unit(Target, [Item], Options, Tries - 1) || Item <- Chunk] end,
    repeatable(#unit{count = length(Chunk), start = Begin, expand = expand(length(Chunk))}, Again, Tries).

repeatable(Unit, _, once) -> Unit;
repeatable(Unit, _, Tries) when Tries =< 1 -> Unit#unit{twice = true};
repeatable(Unit, Again, _) -> Unit#unit{twice = true, again = Again}.

tries(#{idempotent := true}) -> ?TRIES;
tries(_) -> once.

begin_chunk(Target, Chunk, Options) ->
    Arguments = {[[[Item] || Item <- Chunk]], []},
    fun() -> py_call:begin_call(?OP_MAP, Target, none, Arguments, Options, 0) end.

%% MAP answers with the values, and apart from them the errors with their places, from 0.
expand(Count) ->
    fun
        ({ok, [Values, Errors]}) ->
            Failed = maps:from_list([{Index, py_error:keyed(Error)} || [Index, Error] <- Errors]),
            [
                case Failed of
                    #{Index := Error} -> {error, Error};
                    _ -> {ok, Value}
                end
             || {Index, Value} <- lists:enumerate(0, Values)
            ];
        ({error, Error}) ->
            lists:duplicate(Count, {error, Error})
    end.

%% Servers take turns.
on_server(_, _, #{server := _} = Options) -> Options;
on_server(_, [], Options) -> Options;
on_server(Number, Names, Options) -> Options#{server => lists:nth(Number rem length(Names) + 1, Names)}.

%% @doc Prepare calls of different functions; {@link gather/1} makes them.
-spec scatter([call()], map()) -> job().
scatter(Calls, Options) ->
    {Settings, CallOptions} = settings(Options),
    Units = [call_unit(Call, CallOptions, tries(Settings)) || Call <- Calls],
    #job{units = Units, settings = Settings, total = length(Calls)}.

call_unit(Call, Options, Tries) ->
    Again = fun() -> [call_unit(Call, Options, Tries - 1)] end,
    repeatable(#unit{start = begin_one(Call, Options)}, Again, Tries).

begin_one({Module, Function, Arguments}, Options) ->
    begin_one({Module, Function, Arguments, []}, Options);
begin_one({Module, Function, Arguments, Keywords}, Options) ->
    Target = py_wire:target(Module, Function),
    fun() -> py_call:begin_call(?OP_CALL, Target, none, {Arguments, Keywords}, Options, 0) end;
begin_one(Other, _) ->
    py_error:raise(bad_arguments, "a call is {Module, Function, Arguments} and perhaps keywords, not ~0tp", [Other]).

single(Outcome) -> [Outcome].

%% @doc The same call on so many Python workers, or on all that there are: the results in the order of servers and of
%% their workers.
-spec identical(place(), call(), map()) -> [term()].
identical(Place, Call, Options) ->
    {Settings, CallOptions} = settings(Options),
    All = [
        CallOptions#{server => Name, worker => Slot}
     || Name <- py_servers:names(), #{slot := Slot} <- py_fleet:active_workers(Name)
    ],
    Chosen =
        case Place of
            all -> All;
            Count when is_integer(Count), Count > 0, Count =< length(All) -> lists:sublist(All, Count);
            Other ->
                Format = "there are ~b workers: a number up to that or all is expected, not ~0tp",
                py_error:raise(bad_arguments, Format, [length(All), Other])
        end,
    Units = [call_unit(Call, Each, once) || Each <- Chosen],
    gather(#job{units = Units, settings = Settings#{in_flight => length(Units)}, total = length(Units)}).

%% @doc Reduce items in the workers, with an associative function of two. Each call reduces a chunk of them, and then of
%% what calls gave, until one is left.
%%
%% Besides the options of all there is `each': `{Module, Function}' that is applied to every item first, in the workers
%% too. The first error ends it. What is between the rounds travels pickled: only the result becomes an Erlang term.
-spec reduce(py:name(), py:name(), [term()], map()) -> term().
reduce(Module, Function, Items, Options) when is_list(Items), is_map(Options) ->
    {Each, Others} =
        case maps:take(each, Options) of
            error -> {undefined, Options};
            {{EachModule, EachFunction}, Rest} -> {py_wire:target(EachModule, EachFunction), Rest};
            {Wrong, _} -> wrong_setting(each, Wrong)
        end,
    {Settings, CallOptions} = settings(maps:merge(#{chunk => ?FOLDED}, Others)),
    _ = maps:get(errors, Settings) =:= fail_fast orelse wrong_setting(errors, collect),
    _ = Items =/= [] orelse py_error:raise(bad_arguments, "there is nothing to reduce", []),
    Target = py_wire:target(Module, Function),
    Round = {until(Settings), Settings, CallOptions},
    case chunks(Items, chunk_size(Settings, length(Items))) of
        [Chunk] ->
            [Result] = round(fold, [{length(Chunk), [Target, Chunk, Each]}], Round),
            Result;
        Chunks ->
            Between = {until(Settings), Settings, CallOptions#{want => value}},
            Parts = round(fold_part, [{length(Chunk), [Target, Chunk, Each]} || Chunk <- Chunks], Between),
            join(Target, Parts, Round)
    end;
reduce(_, _, Items, Options) when is_map(Options) -> not_a_list(Items);
reduce(_, _, _, Options) -> settings(Options).

%% No longer told of: the items are done.
join(Target, Parts, {Until, Settings, Options}) ->
    Quietly = Settings#{progress => none},
    case chunks([{bytes, Part} || Part <- Parts], max(2, chunk_size(Settings, length(Parts)))) of
        [Last] ->
            [Result] = round(finish_parts, [{1, [Target, Last]}], {Until, Quietly, Options}),
            Result;
        Chunks ->
            Calls = [{1, [Target, Chunk]} || Chunk <- Chunks],
            join(Target, round(join_parts, Calls, {Until, Quietly, Options#{want => value}}), {Until, Settings, Options})
    end.

%% One call for each chunk, in as much time as is left.
round(Function, Calls, {Until, Settings, Options}) ->
    Names = py_servers:names(),
    Units = [
        fold_unit(Count, {?FOLDING, Function, Arguments}, on_server(Number, Names, Options), tries(Settings))
     || {Number, {Count, Arguments}} <- lists:enumerate(Calls)
    ],
    Total = lists:sum([Count || {Count, _} <- Calls]),
    gather(#job{units = Units, settings = Settings#{deadline => remaining(Until), order => input}, total = Total}).

fold_unit(Count, Call, Options, Tries) ->
    Again = fun() -> [fold_unit(Count, Call, Options, Tries - 1)] end,
    repeatable(#unit{count = Count, start = begin_one(Call, Options)}, Again, Tries).

%% @doc A list in lists of so many.
-spec chunks([term()], pos_integer()) -> [[term()]].
chunks([], _) -> [];
chunks(Items, Size) when length(Items) =< Size -> [Items];
chunks(Items, Size) ->
    {Chunk, Rest} = lists:split(Size, Items),
    [Chunk | chunks(Rest, Size)].

chunk_size(#{chunk := auto}, Total) ->
    max(1, min(?MOST_IN_CHUNK, Total div (?IN_FLIGHT * ?CHUNKS_PER_CALL)));
chunk_size(#{chunk := Size}, _) ->
    Size.

settings(Options) when is_map(Options) ->
    Defaults = #{
        errors => fail_fast,
        order => input,
        deadline => infinity,
        progress => none,
        chunk => auto,
        in_flight => ?IN_FLIGHT,
        idempotent => false
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
setting(idempotent, May) -> is_boolean(May).

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
    job :: job()
}).

%% @doc Make the calls, and wait for all results.
-spec gather(job()) -> [term()].
gather(#job{units = Units, settings = Settings} = Job) ->
    Until = until(Settings),
    {Numbered, _} = numbered(Units, 1),
    State = #gathering{to_do = Numbered, until = Until, job = Job},
    try
        collected(run(State))
    catch
        throw:{failed, Error} -> error({py_error, Error})
    end.

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

run(#gathering{to_do = [], in_flight = InFlight} = State) when map_size(InFlight) =:= 0 ->
    State;
run(#gathering{to_do = [{Number, Unit} | Others], in_flight = InFlight, job = Job} = State) when
    map_size(InFlight) < map_get(in_flight, Job#job.settings)
->
    case time_is_up(State) of
        true -> late(State);
        false -> run(begun(Number, Unit, State#gathering{to_do = Others}))
    end;
run(#gathering{in_flight = InFlight, until = Until} = State) ->
    Straggling = straggling(State),
    receive
        {Alias, ?OUTPUT, {Flags, Text}} when is_map_key(Alias, InFlight) ->
            #{Alias := {_, _, #pending{server = Server, choice = Choice}, _}} = InFlight,
            py_output:emit(Choice#choice.output, Flags, Text, Server#server.name),
            run(State);
        {Alias, Kind, Payload} when is_map_key(Alias, InFlight) ->
            _ = demonitor(Alias, [flush]),
            run(answered(Alias, {Kind, Payload}, State));
        {'DOWN', Alias, process, _, Reason} when is_map_key(Alias, InFlight) ->
            run(answered(Alias, {down, Reason}, State))
    after remaining(min(Until, Straggling)) ->
        case time_is_up(State) of
            true -> late(State);
            false -> run(look_for_stragglers(State))
        end
    end.

begun(Number, #unit{start = Begin} = Unit, State) ->
    case Begin() of
        {ok, Pending} -> in_flight({Number, Unit, Pending, now_ms()}, State);
        {failed, Error, _} -> finished(Number, Unit, {error, Error}, State)
    end.

in_flight({_, _, #pending{alias = Alias}, _} = Flight, #gathering{in_flight = InFlight} = State) ->
    State#gathering{in_flight = InFlight#{Alias => Flight}}.

%% When the next one that may be begun twice will have taken too long. Never (infinity, above all numbers) as long as
%% there is something else to begin.
straggling(#gathering{to_do = [], in_flight = InFlight, usual = Usual}) when is_number(Usual) ->
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
            case (Unit#unit.start)() of
                {ok, Second} -> in_flight({Number, Once, Second, now_ms()}, Known);
                {failed, _, _} -> Known
            end
        end,
        State,
        Late
    ).

now_ms() -> erlang:monotonic_time(millisecond).

answered(Alias, Answer, #gathering{in_flight = InFlight, usual = Usual} = State) ->
    {{Number, Unit, #pending{choice = Choice}, Since}, Others} = maps:take(Alias, InFlight),
    Outcome = py_call:settle(Answer, Choice#choice{on_error = return}),
    {Twins, Left} = taken_apart(Number, Others),
    _ = [py_call:abandon(Pending) || {_, _, Pending, _} <- Twins],
    Took = now_ms() - Since,
    finished(Number, Unit, Outcome, State#gathering{in_flight = Left, usual = lately(Usual, Took)}).

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
    #gathering{done = Done, count = Before, job = Job} = State,
    Results = Expand(Outcome),
    #job{settings = #{errors := Errors, progress := Progress}, total = Total} = Job,
    ok = tell(Progress, Before + Count, Total),
    case [Error || Errors =:= fail_fast, {error, Error} <- Results] of
        [] -> State#gathering{done = [{Number, Results} | Done], count = Before + Count};
        [Error | _] -> stop(State, Error)
    end.

tell(none, _, _) -> ok;
tell({Pid, Tag}, Done, Total) ->
    Pid ! {py_progress, Tag, Done, Total},
    ok;
tell(Pid, Done, Total) ->
    tell({Pid, self()}, Done, Total).

-spec stop(#gathering{}, py_error:error()) -> no_return().
stop(#gathering{in_flight = InFlight}, Error) ->
    _ = [py_call:abandon(Pending) || {_, _, Pending, _} <- maps:values(InFlight)],
    throw({failed, Error}).

%% The deadline: what runs is stopped, what was not begun is not.
late(#gathering{in_flight = InFlight, to_do = ToDo, job = #job{settings = #{errors := Errors}}} = State) ->
    Error = py_error:make(timeout, "the deadline of all passed", []),
    case Errors of
        fail_fast ->
            stop(State, Error);
        collect ->
            _ = [py_call:abandon(Pending) || {_, _, Pending, _} <- maps:values(InFlight)],
            Left = lists:ukeysort(1, [{Number, Unit} || {Number, Unit, _, _} <- maps:values(InFlight)] ++ ToDo),
            lists:foldl(
                fun({Number, Unit}, Sofar) -> finished(Number, Unit, {error, Error}, Sofar) end,
                State#gathering{in_flight = #{}, to_do = []},
                Left
            )
    end.

time_is_up(#gathering{until = infinity}) -> false;
time_is_up(#gathering{until = Until}) -> now_ms() >= Until.

remaining(infinity) -> infinity;
remaining(Until) -> max(0, Until - now_ms()).
