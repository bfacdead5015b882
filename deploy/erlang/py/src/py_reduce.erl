%% @doc Reduce items in the Python workers.
%%
%% Each call reduces a chunk of items, and then of what calls gave, until one is left.
-module(py_reduce).

-export([reduce/4]).

-include("py_gather.hrl").

%% Items that one call reduces.
-define(FOLDED, 256).

%% @doc Reduce items in the workers, with an associative function of two. Each call reduces a chunk of them, and then of
%% what calls gave, until one is left.
%%
%% Besides the options of all there is `each': `{Module, Function}' that is applied to every item first, in the workers
%% too. The first error ends it. What is between the rounds travels pickled: only the result becomes an Erlang term.
-spec reduce(py:name(), py:name(), [term()], map()) -> term().
reduce(Module, Function, Items, Options) when length(Items) >= 0, is_map(Options) ->
    {Each, Others} =
        case maps:take(each, Options) of
            error -> {[], Options};
            {{EachModule, EachFunction}, Rest} -> {[py_wire:target(EachModule, EachFunction)], Rest};
            {Wrong, _} -> py_gather:wrong_setting(each, Wrong)
        end,
    {Settings, CallOptions} = py_gather:settings(maps:merge(#{chunk => ?FOLDED}, Others)),
    _ = maps:get(errors, Settings) =:= fail_fast orelse py_gather:wrong_setting(errors, collect),
    _ = Items =/= [] orelse py_error:raise(bad_arguments, "there is nothing to reduce", []),
    Target = py_wire:target(Module, Function),
    Functions = [Target | Each],
    Round = {py_gather:until(Settings), Settings, CallOptions},
    case py_units:chunks(Items, py_units:chunk_size(Settings, length(Items))) of
        [Chunk] ->
            [Result] = round(py_wire:combined(<<"fold">>, Functions), [{length(Chunk), Chunk}], Round),
            Result;
        Chunks ->
            Between = {py_gather:until(Settings), Settings, CallOptions#{want => value}},
            Calls = [{length(Chunk), Chunk} || Chunk <- Chunks],
            join(Target, round(py_wire:combined(<<"fold_part">>, Functions), Calls, Between), Round)
    end;
reduce(_, _, Items, Options) when is_map(Options) -> py_units:not_a_list(Items);
reduce(_, _, _, Options) -> py_gather:settings(Options).

%% No longer told of: the items are done.
join(Target, Parts, {Until, Settings, Options}) ->
    Quietly = Settings#{progress => none},
    case py_units:chunks([{bytes, Part} || Part <- Parts], max(2, py_units:chunk_size(Settings, length(Parts)))) of
        [Last] ->
            [Result] = round(joining(<<"fold">>, Target), [{1, Last}], {Until, Quietly, Options}),
            Result;
        Chunks ->
            Calls = [{1, Chunk} || Chunk <- Chunks],
            Between = {Until, Quietly, Options#{want => value}},
            join(Target, round(joining(<<"fold_part">>, Target), Calls, Between), {Until, Settings, Options})
    end.

%% A part is a pickle with the signature of its bridge behind. Servers are bridges of their own, and may have been started
%% anew between two rounds, so here parts are read as the pickles that they are.
joining(What, Target) -> py_wire:combined(What, [Target, <<"pickle:loads">>]).

%% One call for each chunk, in as much time as is left.
round(Target, Calls, {Until, Settings, Options}) ->
    Names = py_servers:names(),
    Units = [
        py_units:fold(
            Count, Target, Items, py_units:on_server(Number, Names, Options), py_units:tries(Settings)
        )
     || {Number, {Count, Items}} <- lists:enumerate(Calls)
    ],
    Total = lists:sum([Count || {Count, _} <- Calls]),
    Within = Settings#{deadline => py_gather:remaining(Until), order => input},
    py_gather:gather(#job{units = Units, settings = Within, total = Total}).
