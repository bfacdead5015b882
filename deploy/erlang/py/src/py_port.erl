%% @doc Owns the port of one server: starts the port program, reads what it says, and dies with it.
%%
%% It only reads. Callers write to the port themselves (see py_call), so this process hands an answer on and takes the
%% next: one table lookup and one message, whatever the answer's size, since a binary is passed by reference.
%%
%% The port program's death is this process's death, with a reason that says how it died; the callers' monitors bring
%% them that reason, and the supervisor starts anew.
-module(py_port).
-behaviour(gen_server).

-export([start_link/1, lost/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-include("py_wire.hrl").
-include("py_server.hrl").

%% The bridge's own limit, protocols/limits.py.
-define(MAX_FRAME, (1 bsl 28)).
%% Answers above this are forgotten at once rather than at some later collection.
-define(LARGE, (1 bsl 20)).
-define(HELLO_ID, 0).

-record(state, {
    name :: atom(),
    port :: port(),
    calls :: ets:tid(),
    callbacks :: pid(),
    shutdown :: pos_integer(),
    %% answers that nobody waited for
    late = 0 :: non_neg_integer()
}).

-spec start_link(py_config:config()) -> gen_server:start_ret().
start_link(Config) ->
    gen_server:start_link(?MODULE, Config, []).

%% @doc Why a caller's monitor fired, as an error.
-spec lost(term()) -> py_error:error().
lost({port_program_exited, Status}) ->
    Format = "the port program died (~ts) before the answer came",
    Error = py_error:make(disconnected, Format, [describe_status(Status)]),
    Error#{details => #{exit_code => Status}};
lost(noconnection) ->
    py_error:make(node_down, "the node that has the object went down before the answer came", []);
lost(taken_back) ->
    py_error:make(cancelled, "the call was taken back before its answer came", []);
lost(noproc) ->
    py_error:make(disconnected, "the port program died before the answer came", []);
lost(shutdown) ->
    py_error:make(disconnected, "the server was stopped before the answer came", []);
lost(Reason) ->
    py_error:make(disconnected, "the port's owner is gone: ~0tp", [Reason]).

describe_status(Status) when is_integer(Status), Status > 128 -> io_lib:format("by signal ~b", [Status - 128]);
describe_status(Status) when is_integer(Status) -> io_lib:format("exit status ~b", [Status]);
describe_status(epipe) -> "its end of the pipe was closed";
describe_status(Status) -> io_lib:format("~0tp", [Status]).

%% The port program must say hello before the supervisor goes on: what can't start, or is no bridge at all, is an error
%% of the start and not of some later call.
init(Config) ->
    _ = process_flag(trap_exit, true),
    %% Its atoms are the words of errors: the first error must find them known.
    {module, py_error} = code:ensure_loaded(py_error),
    #{
        name := Name,
        packet := Packet,
        start_timeout := StartTimeout,
        shutdown_timeout := ShutdownTimeout,
        defaults := Defaults
    } = Config,
    Calls = ets:new(py_calls, [set, public, {write_concurrency, true}]),
    [#watcher{pid = Watcher, watched = Watched}] = ets:lookup(py_servers, {watcher, Name}),
    [{callbacks, _, Callbacks}] = ets:lookup(py_servers, {callbacks, Name}),
    Server = #server{
        name = Name,
        owner = self(),
        calls = Calls,
        watcher = Watcher,
        watched = Watched,
        max_frame = min(?MAX_FRAME, 1 bsl (8 * Packet) - 1),
        patience = StartTimeout,
        defaults = Defaults
    },
    is_taken_over(Name) orelse ets:insert(py_servers, Server),
    case open(Config) of
        {ok, Port} ->
            case hello(Port, StartTimeout) of
                {ok, Prefix} ->
                    Started = erlang:monotonic_time(),
                    true = ets:insert(py_servers, Server#server{port = Port, prefix = Prefix, started_at = Started}),
                    ok = pg:join(py, {handles, Prefix}, self()),
                    ok = pg:join(py, servers, self()),
                    State = #state{
                        name = Name, port = Port, calls = Calls, callbacks = Callbacks, shutdown = ShutdownTimeout
                    },
                    on_start(Config),
                    {ok, State};
                {error, Reason} ->
                    put_down(Port),
                    {stop, Reason}
            end;
        {error, Reason} ->
            {stop, Reason}
    end.

%% What it does is its own affair, and takes its own time.
on_start(#{worker_on_start := {Module, Function}}) ->
    Server = self(),
    _ = spawn(fun() -> Module:Function(Server) end),
    ok;
on_start(_) ->
    ok.

%% A server that is restarted without losing a call answers until its successor can.
is_taken_over(Name) ->
    case ets:lookup(py_servers, Name) of
        [#server{owner = Owner, port = Port}] when is_port(Port) -> is_process_alive(Owner);
        _ -> false
    end.

open(#{command := {Executable, Arguments}, packet := Packet, env := Env} = Config) ->
    Folder =
        case Config of
            #{cd := Cd} -> [{cd, Cd}];
            _ -> []
        end,
    Options = [
        {args, Arguments}, {packet, Packet}, {env, Env}, binary, use_stdio, exit_status, hide | Folder
    ],
    try
        {ok, open_port({spawn_executable, Executable}, Options)}
    catch
        error:Reason -> {error, {cannot_start, Executable, Reason}}
    end.

hello(Port, Timeout) ->
    true = port_command(Port, py_wire:control(?HELLO_ID, #{<<"op">> => <<"hello">>, <<"version">> => 1})),
    receive
        {Port, {data, Data}} ->
            greeted(py_wire:parse(Data));
        {Port, {exit_status, Status}} ->
            {error, {port_program_exited, Status}};
        {'EXIT', Port, Reason} ->
            {error, {port_program_exited, Reason}}
    after Timeout ->
        {error, {port_program_silent, Timeout}}
    end.

greeted({?CONTROL, ?ETF, _, ?HELLO_ID, Payload}) ->
    try binary_to_term(Payload, [safe]) of
        %% Our own words come back without a version of the bridge: that is an echo.
        #{<<"op">> := <<"hello">>, <<"version">> := 1, <<"prefix">> := Prefix} -> {ok, Prefix};
        Other -> {error, {not_our_protocol, beginning(Other)}}
    catch
        error:badarg -> {error, {not_our_protocol, beginning(Payload)}}
    end;
greeted(Other) ->
    {error, {not_our_protocol, beginning(Other)}}.

%% Enough of what was said to see what it is; it goes to the log and to every caller.
beginning(Said) -> unicode:characters_to_list(io_lib:format("~0tP", [Said, 12])).

handle_call(_, _From, State) ->
    {reply, {error, unknown_request}, State}.

handle_cast(_, State) ->
    {noreply, State}.

handle_info({Port, {data, Data}}, #state{port = Port} = State) ->
    case py_wire:parse(Data) of
        {Kind, _, _, Id, Payload} when Kind =:= ?REPLY; Kind =:= ?ERROR; Kind =:= ?CONTROL; Kind =:= ?END ->
            Delivered = deliver(State#state.calls, Id, Kind, Payload),
            byte_size(Data) > ?LARGE andalso erlang:garbage_collect(),
            case Delivered of
                true -> {noreply, State};
                false -> {noreply, State#state{late = State#state.late + 1}}
            end;
        {?OUTPUT, _, Flags, Id, Text} ->
            show(State, Id, Flags, Text),
            {noreply, State};
        {?ITEM, _, _, Id, Payload} ->
            pass(State#state.calls, Id, ?ITEM, Payload),
            {noreply, State};
        {?CALLBACK, _, Flags, Id, Payload} ->
            Caller = caller(State#state.calls, Id),
            State#state.callbacks ! {callback, Port, self(), Caller, Flags, Payload},
            {noreply, State};
        {?CANCEL, _, _, Number, _} ->
            State#state.callbacks ! {withdrawn, Number},
            {noreply, State};
        Other ->
            {stop, {not_our_protocol, beginning(Other)}, State}
    end;
handle_info({Port, {exit_status, Status}}, #state{port = Port} = State) ->
    {stop, {port_program_exited, Status}, State};
handle_info({'EXIT', Port, Reason}, #state{port = Port} = State) ->
    {stop, {port_program_exited, Reason}, State};
handle_info({'EXIT', _Parent, Reason}, State) ->
    {stop, Reason, State};
handle_info(_, State) ->
    {noreply, State}.

deliver(Calls, Id, Kind, Payload) ->
    case ets:take(Calls, Id) of
        [{_, Address, _}] ->
            ok = py_inbox:post(Address, Kind, Payload),
            true;
        [] ->
            false
    end.

%% Of a call that goes on: its row stays.
pass(Calls, Id, Kind, Content) ->
    case ets:lookup(Calls, Id) of
        [{_, Address, _}] ->
            ok = py_inbox:post(Address, Kind, Content),
            true;
        [] ->
            false
    end.

caller(Calls, Id) ->
    case ets:lookup(Calls, Id) of
        [{_, _, Caller}] -> Caller;
        [] -> undefined
    end.

show(#state{calls = Calls, name = Name}, Id, Flags, Text) ->
    pass(Calls, Id, ?OUTPUT, {Flags, Text}) orelse py_output:log(Flags, Text, Name).

%% A server that is stopped lets its port program end in order, and is gone only when that is.
terminate(_, #state{name = Name, port = Port, shutdown = Timeout}) ->
    unlist(Name),
    case farewell(Port, Timeout) of
        gone -> true;
        silent -> put_down(Port)
    end.

%% Calls that come now wait for the next port program instead of writing to this one.
unlist(Name) ->
    case ets:lookup(py_servers, Name) of
        [#server{owner = Owner} = Server] when Owner =:= self() ->
            ets:insert(py_servers, Server#server{port = undefined});
        _ ->
            true
    end.

farewell(Port, Timeout) ->
    try
        _ = port_command(Port, py_wire:control(?HELLO_ID, #{<<"op">> => <<"bye">>}), [nosuspend]),
        await_exit(Port, Timeout)
    catch
        error:badarg -> gone
    end.

await_exit(Port, Timeout) ->
    receive
        {Port, {exit_status, _}} -> gone;
        {'EXIT', Port, _} -> gone
    after Timeout -> silent
    end.

%% It does not end when it is asked to, so it is not asked. What it started ends with it: the bridge sees to that.
put_down(Port) ->
    case erlang:port_info(Port, os_pid) of
        {os_pid, Pid} ->
            _ = os:cmd("kill -KILL " ++ integer_to_list(Pid)),
            _ = await_exit(Port, 1000),
            ok;
        undefined ->
            ok
    end.
