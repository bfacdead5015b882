%% @doc Many calls at once, and their results together.
%%
%% {@link pmap/4} calls one function with each of many items: the items travel in chunks, several chunks are under way at
%% any time, on all servers that take calls. {@link scatter/2} and {@link gather/1} do it with calls that differ, {@link
%% identical/3} with the same call on several Python workers.
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
%% </ul>
-module(py_scatter).

-export([map/4, pmap/4, scatter/2, gather/1, identical/3, chunks/2]).

-export_type([job/0, call/0, place/0]).

-include("py_wire.hrl").
-include("py_server.hrl").

-type call() ::
    {py:name(), py:name(), [term()]} | {py:name(), py:name(), [term()], py:keywords()}.
-type place() :: all | pos_integer().
-record(job, {units :: [unit()], settings :: map(), total :: non_neg_integer()}).
-opaque job() :: #job{}.
%% How many results it gives, how it is begun, and how they are had from its outcome.
-type unit() :: {pos_integer(), fun(() -> term()), fun((term()) -> [{ok, term()} | {error, py_error:error()}])}.

-define(IN_FLIGHT, 16).
-define(MOST_IN_CHUNK, 1000).
-define(CHUNKS_PER_CALL, 4).

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
        {length(Chunk), begin_chunk(Target, Chunk, on_server(Number, Names, CallOptions)), expand(length(Chunk))}
     || {Number, Chunk} <- lists:enumerate(Chunks)
    ],
    gather(#job{units = Units, settings = Settings, total = length(Items)});
pmap(_, _, Items, _) ->
    py_error:raise(bad_arguments, "items are a list, not ~0tp", [Items]).

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
    #job{units = [{1, begin_one(Call, CallOptions), fun single/1} || Call <- Calls], settings = Settings, total = length(Calls)}.

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
    Units = [{1, begin_one(Call, Each), fun single/1} || Each <- Chosen],
    gather(#job{units = Units, settings = Settings#{in_flight => length(Units)}, total = length(Units)}).

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
        errors => fail_fast, order => input, deadline => infinity, progress => none, chunk => auto, in_flight => ?IN_FLIGHT
    },
    Ours = maps:with(maps:keys(Defaults), Options),
    Settings = maps:merge(Defaults, Ours),
    [
        setting(Key, Value) orelse py_error:raise(bad_arguments, "the option ~0tp => ~0tp has a wrong value", [Key, Value])
     || {Key, Value} <- maps:to_list(Settings)
    ],
    {Settings, maps:without(maps:keys(Defaults), Options)};
settings(Options) ->
    py_error:raise(bad_arguments, "options are a map, not ~0tp", [Options]).

setting(errors, How) -> How =:= fail_fast orelse How =:= collect;
setting(order, How) -> How =:= input orelse How =:= completion;
setting(deadline, Ms) -> Ms =:= infinity orelse (is_integer(Ms) andalso Ms >= 0);
setting(progress, {Pid, _}) -> is_pid(Pid);
setting(progress, Pid) -> Pid =:= none orelse is_pid(Pid);
setting(chunk, Size) -> Size =:= auto orelse (is_integer(Size) andalso Size > 0);
setting(in_flight, Count) -> is_integer(Count) andalso Count > 0.

%% What goes on while they are collected. `done' has {Number of the first item, results} of each unit that is through.
-record(gathering, {
    to_do :: [{pos_integer(), unit()}],
    in_flight = #{} :: #{reference() => {pos_integer(), unit(), py_call:pending()}},
    done = [] :: [{pos_integer(), [term()]}],
    count = 0 :: non_neg_integer(),
    until :: integer() | infinity,
    job :: job()
}).

%% @doc Make the calls, and wait for all results.
-spec gather(job()) -> [term()].
gather(#job{units = Units, settings = #{deadline := Deadline}} = Job) ->
    Until =
        case Deadline of
            infinity -> infinity;
            Ms -> erlang:monotonic_time(millisecond) + Ms
        end,
    {Numbered, _} = lists:mapfoldl(fun({Count, _, _} = Unit, Number) -> {{Number, Unit}, Number + Count} end, 1, Units),
    State = #gathering{to_do = Numbered, until = Until, job = Job},
    try
        collected(run(State))
    catch
        throw:{failed, Error} -> error({py_error, Error})
    end.

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
run(#gathering{to_do = [{Number, {_, Begin, _} = Unit} | Others], in_flight = InFlight, job = Job} = State) when
    map_size(InFlight) < map_get(in_flight, Job#job.settings)
->
    case time_is_up(State) of
        true ->
            late(State);
        false ->
            case Begin() of
                {ok, #pending{alias = Alias} = Pending} ->
                    run(State#gathering{to_do = Others, in_flight = InFlight#{Alias => {Number, Unit, Pending}}});
                {failed, Error, _} ->
                    run(finished(Number, Unit, {error, Error}, State#gathering{to_do = Others}))
            end
    end;
run(#gathering{in_flight = InFlight, until = Until} = State) ->
    receive
        {Alias, ?OUTPUT, {Flags, Text}} when is_map_key(Alias, InFlight) ->
            #{Alias := {_, _, #pending{server = Server, choice = Choice}}} = InFlight,
            py_output:emit(Choice#choice.output, Flags, Text, Server#server.name),
            run(State);
        {Alias, Kind, Payload} when is_map_key(Alias, InFlight) ->
            _ = demonitor(Alias, [flush]),
            run(answered(Alias, {Kind, Payload}, State));
        {'DOWN', Alias, process, _, Reason} when is_map_key(Alias, InFlight) ->
            run(answered(Alias, {down, Reason}, State))
    after remaining(Until) ->
        late(State)
    end.

answered(Alias, Answer, #gathering{in_flight = InFlight} = State) ->
    {{Number, Unit, #pending{choice = Choice}}, Left} = maps:take(Alias, InFlight),
    Outcome = py_call:settle(Answer, Choice#choice{on_error = return}),
    finished(Number, Unit, Outcome, State#gathering{in_flight = Left}).

finished(Number, {Count, _, Expand}, Outcome, #gathering{done = Done, count = Before, job = Job} = State) ->
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
    _ = [py_call:abandon(Pending) || {_, _, Pending} <- maps:values(InFlight)],
    throw({failed, Error}).

%% The deadline: what runs is stopped, what was not begun is not.
late(#gathering{in_flight = InFlight, to_do = ToDo, job = #job{settings = #{errors := Errors}}} = State) ->
    Error = py_error:make(timeout, "the deadline of all passed", []),
    case Errors of
        fail_fast ->
            stop(State, Error);
        collect ->
            _ = [py_call:abandon(Pending) || {_, _, Pending} <- maps:values(InFlight)],
            Left = [{Number, Unit} || {Number, Unit, _} <- maps:values(InFlight)] ++ ToDo,
            lists:foldl(
                fun({Number, Unit}, Sofar) -> finished(Number, Unit, {error, Error}, Sofar) end,
                State#gathering{in_flight = #{}, to_do = []},
                Left
            )
    end.

time_is_up(#gathering{until = infinity}) -> false;
time_is_up(#gathering{until = Until}) -> erlang:monotonic_time(millisecond) >= Until.

remaining(infinity) -> infinity;
remaining(Until) -> max(0, Until - erlang:monotonic_time(millisecond)).
