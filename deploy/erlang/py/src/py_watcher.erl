%% @doc Cancels calls that nobody waits for any more.
%%
%% It monitors every process that ever called, once in that process's life rather than once a call; when one dies, its
%% unanswered calls are taken out of the table and cancelled. Callers that gave up tell it, too.
%%
%% This is no part of the port's owner for a reason: who writes to a busy port is suspended, and the owner must go on
%% reading, or the two pipes would wait for each other.
-module(py_watcher).
-behaviour(gen_server).

-export([start_link/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-include("py_server.hrl").

-record(state, {name :: atom(), watched :: ets:tid()}).

-spec start_link(atom()) -> gen_server:start_ret().
start_link(Name) ->
    gen_server:start_link(?MODULE, Name, []).

init(Name) ->
    Watched = ets:new(py_watched, [set, protected, {read_concurrency, true}]),
    true = ets:insert(py_servers, #watcher{key = {watcher, Name}, pid = self(), watched = Watched}),
    {ok, #state{name = Name, watched = Watched}}.

handle_call(_, _From, State) ->
    {reply, {error, unknown_request}, State}.

handle_cast(_, State) ->
    {noreply, State}.

handle_info({watch, Caller}, #state{watched = Watched} = State) ->
    case ets:insert_new(Watched, {Caller}) of
        true -> _ = monitor(process, Caller), ok;
        %% It called twice before the first word came in.
        false -> ok
    end,
    {noreply, State};
handle_info({'DOWN', _, process, Caller, _}, State) ->
    Dead = dead(#{Caller => true}),
    [ets:delete(State#state.watched, Pid) || Pid <- maps:keys(Dead)],
    cancel_calls_of(Dead, State),
    {noreply, State};
handle_info({cancel, Id}, State) ->
    case server(State) of
        #server{port = Port} when is_port(Port) -> cancel(Port, Id);
        _ -> ok
    end,
    {noreply, State};
handle_info(_, State) ->
    {noreply, State}.

%% Many may have died at once: one pass over the table for all of them.
dead(Dead) ->
    receive
        {'DOWN', _, process, Caller, _} -> dead(Dead#{Caller => true})
    after 0 -> Dead
    end.

cancel_calls_of(Dead, State) ->
    case server(State) of
        #server{port = Port, calls = Calls} when is_port(Port) ->
            Orphans = orphans(Calls, Dead),
            [cancel(Port, Id) || Id <- Orphans, take(Calls, Id)],
            ok;
        _ ->
            ok
    end.

orphans(Calls, Dead) ->
    try
        case maps:keys(Dead) of
            [Caller] -> ets:select(Calls, [{{'$1', '_', Caller}, [], ['$1']}]);
            _ -> [Id || [Id, Caller] <- ets:match(Calls, {'$1', '_', '$2'}), is_map_key(Caller, Dead)]
        end
    catch
        %% The port's owner died meanwhile, and the table with it.
        error:badarg -> []
    end.

%% Whoever takes the row out settles the call: if the answer was quicker there is nothing to cancel.
take(Calls, Id) ->
    try
        ets:take(Calls, Id) =/= []
    catch
        error:badarg -> false
    end.

cancel(Port, Id) ->
    try
        port_command(Port, py_wire:cancel(Id))
    catch
        error:badarg -> false
    end.

server(#state{name = Name}) ->
    case ets:lookup(py_servers, Name) of
        [Server] -> Server;
        [] -> undefined
    end.
