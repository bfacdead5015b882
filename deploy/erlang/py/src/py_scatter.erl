%% @doc Many calls at once, and their results together.
%%
%% {@link pmap/4} calls one function with each of many items: the items travel in chunks, several chunks are under way at
%% any time, on all servers that take calls. {@link scatter/2} and {@link gather/1} do it with calls that differ, {@link
%% identical/3} with the same call on several Python workers; {@link py_reduce} brings items together in the workers.
%%
%% Items may be lazy: a function that gives `[Item | More]', where `More' is such a function or the rest as a list, or
%% `[]' at the end. No more is taken of them than there is room for calls, so they may be without end; with `into' their
%% results need no room either.
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
%% <li>`into': `{Fun, Start}', where `Fun(Result, Sum)' is given each result when it is there (in the order that is
%%     said), and gives the next sum; the last one is what is returned. What it throws ends all.</li>
%% <li>`deadline': milliseconds for everything; what is not there then has failed with `timeout', and is stopped. Of lazy
%%     items nothing more is taken.</li>
%% <li>`progress': a process that gets `{py_progress, Tag, Done, Total}' whenever some are done; or `{Pid, Tag}'. The
%%     total of lazy items is `undefined'.</li>
%% <li>`chunk': items in one call, or `auto'.</li>
%% <li>`in_flight': calls under way at a time (16).</li>
%% <li>`idempotent': `true' if an item may be done twice.</li>
%% </ul>
-module(py_scatter).

-export([map/4, pmap/4, pmethod/3, scatter/2, gather/1, identical/3]).

-export_type([job/0, call/0, place/0]).

-include("py_gather.hrl").

-type call() :: py_units:call().
-type place() :: all | pos_integer().
-opaque job() :: #job{}.

%% @doc Call a function with each item, one after the other.
-spec map(py:name(), py:name(), py_units:items(), map()) -> term().
map(Module, Function, Items, Options) ->
    pmap(Module, Function, Items, Options#{in_flight => 1, chunk => 1}).

%% @doc Call a function with each item, in parallel. An item is the one argument; a handle goes to the worker that has its
%% object.
-spec pmap(py:name(), py:name(), py_units:items(), map()) -> term().
pmap(Module, Function, Items, Options) ->
    {Settings, CallOptions} = py_gather:settings(Options),
    Target = py_wire:target(Module, Function),
    Names = py_servers:names(),
    Make = fun(Chunk, Number) ->
        py_units:over(Target, Chunk, py_units:on_server(Number, Names, CallOptions), Settings)
    end,
    gather(job(Items, Make, Settings)).

job(Items, Make, Settings) when length(Items) >= 0 ->
    Chunks = py_units:chunks(Items, py_units:chunk_size(Settings, length(Items))),
    Units = lists:append([Make(Chunk, Number) || {Number, Chunk} <- lists:enumerate(Chunks)]),
    #job{units = Units, settings = Settings, total = length(Items)};
job(Items, Make, Settings) when is_function(Items, 0) ->
    #job{source = py_units:source(Items, Make), settings = Settings};
job(Items, _, _) ->
    py_units:not_a_list(Items).

%% @doc Call a method of each of many objects, where each of them lives: `{Name, Arguments}', or the name alone.
-spec pmethod(py_units:items(), py:name() | {py:name(), [term()]}, map()) -> term().
pmethod(Handles, {_, Arguments} = Call, Options) when is_list(Arguments) ->
    {Settings, CallOptions} = py_gather:settings(Options),
    Tries = py_units:tries(Settings),
    Make = fun(Chunk, _) -> [py_units:method(Handle, Call, CallOptions, Tries) || Handle <- Chunk] end,
    gather(job(Handles, Make, Settings));
pmethod(Handles, Name, Options) ->
    pmethod(Handles, {Name, []}, Options).

%% @doc Prepare calls of different functions; {@link gather/1} makes them.
-spec scatter(py_units:items(), map()) -> job().
scatter(Calls, Options) ->
    {Settings, CallOptions} = py_gather:settings(Options),
    Tries = py_units:tries(Settings),
    job(Calls, fun(Some, _) -> [py_units:call(Call, CallOptions, Tries) || Call <- Some] end, Settings).

%% @doc Make the calls, and wait for all results.
-spec gather(job()) -> term().
gather(Job) -> py_gather:gather(Job).

%% @doc The same call on so many Python workers, or on all that there are to be: the results in the order of servers and of
%% their workers. Those that start, or start again, are waited for: up to the deadline, or as long as it takes.
-spec identical(place(), call(), map()) -> [term()].
identical(Place, Call, Options) ->
    {Settings, CallOptions} = py_gather:settings(Options),
    Until = py_gather:until(Settings),
    All = [
        CallOptions#{server => Name, worker => Slot}
     || Name <- py_servers:names(), Slot <- py_fleet:all_slots(Name, py_gather:remaining(Until))
    ],
    Chosen =
        case Place of
            all -> All;
            Count when is_integer(Count), Count > 0, Count =< length(All) -> lists:sublist(All, Count);
            Other ->
                Format = "there are ~b workers: a number up to that or all is expected, not ~0tp",
                py_error:raise(bad_arguments, Format, [length(All), Other])
        end,
    Units = [py_units:call(Call, Each, once) || Each <- Chosen],
    Now = Settings#{in_flight => max(1, length(Units)), deadline => py_gather:remaining(Until)},
    gather(#job{units = Units, settings = Now, total = length(Units)}).
