%% @doc Many calls at once, and their results together.
%%
%% {@link pmap/4} calls one function with each of many items: the items travel in chunks, several chunks are under way at
%% any time, on all servers that take calls. {@link scatter/2} and {@link gather/1} do it with calls that differ, {@link
%% identical/3} with the same call on several Python workers; {@link py_reduce} brings items together in the workers.
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

-export([map/4, pmap/4, scatter/2, gather/1, identical/3]).

-export_type([job/0, call/0, place/0]).

-include("py_gather.hrl").

-type call() :: py_units:call().
-type place() :: all | pos_integer().
-opaque job() :: #job{}.

%% @doc Call a function with each item, one after the other.
-spec map(py:name(), py:name(), [term()], map()) -> [term()].
map(Module, Function, Items, Options) ->
    pmap(Module, Function, Items, Options#{in_flight => 1, chunk => 1}).

%% @doc Call a function with each item, in parallel. An item is the one argument.
-spec pmap(py:name(), py:name(), [term()], map()) -> [term()].
pmap(Module, Function, Items, Options) when is_list(Items) ->
    {Settings, CallOptions} = py_gather:settings(Options),
    Target = py_wire:target(Module, Function),
    Chunks = py_units:chunks(Items, py_units:chunk_size(Settings, length(Items))),
    Names = py_servers:names(),
    Units = [
        py_units:chunk(Target, Chunk, py_units:on_server(Number, Names, CallOptions), py_units:tries(Settings))
     || {Number, Chunk} <- lists:enumerate(Chunks)
    ],
    gather(#job{units = Units, settings = Settings, total = length(Items)});
pmap(_, _, Items, _) ->
    py_units:not_a_list(Items).

%% @doc Prepare calls of different functions; {@link gather/1} makes them.
-spec scatter([call()], map()) -> job().
scatter(Calls, Options) ->
    {Settings, CallOptions} = py_gather:settings(Options),
    Units = [py_units:call(Call, CallOptions, py_units:tries(Settings)) || Call <- Calls],
    #job{units = Units, settings = Settings, total = length(Calls)}.

%% @doc Make the calls, and wait for all results.
-spec gather(job()) -> [term()].
gather(Job) -> py_gather:gather(Job).

%% @doc The same call on so many Python workers, or on all that there are: the results in the order of servers and of
%% their workers.
-spec identical(place(), call(), map()) -> [term()].
identical(Place, Call, Options) ->
    {Settings, CallOptions} = py_gather:settings(Options),
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
    Units = [py_units:call(Call, Each, once) || Each <- Chosen],
    gather(#job{units = Units, settings = Settings#{in_flight => length(Units)}, total = length(Units)}).
