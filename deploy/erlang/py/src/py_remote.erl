%% @doc Calls about objects that live on another node.
%%
%% OTP's own distribution carries them. A relay, a process on the node that has the object, makes the call there in the
%% caller's name, and hands on what comes of it, frame by frame, as the port's owner does here: so a caller waits for it,
%% takes it back, gives a stream more credit and sees the output as with a call of its own node. When that node goes
%% down the caller's monitor of the relay says so. The relay sends what may be large, so it may be held up by a slow
%% connection; the port's owner, on which all callers depend, never is.
-module(py_remote).

-export([begin_call/3, on/4, on_behalf/5]).
-export([relay/3, do_for/4]).

-include("py_wire.hrl").
-include("py_server.hrl").

%% @doc `py_call:begin_call' on another node, for an object of that node. An inbox takes what comes of it.
-spec begin_call(node(), [term()], py_inbox:inbox()) -> py_call:begun().
begin_call(Node, Arguments, Inbox) ->
    Relay = spawn(Node, ?MODULE, relay, [self(), group_leader(), Arguments]),
    Alias = py_inbox:alias(Inbox, Relay),
    Relay ! {begin_for, Alias},
    case py_inbox:next(Inbox, Alias, infinity) of
        {begun, {ok, #pending{choice = #choice{timeout = Timeout}} = Pending}} ->
            {ok, Pending#pending{alias = Alias, relay = Relay, until = py_call:until(Timeout)}};
        {begun, Failed} ->
            ok = py_inbox:forget(Inbox, Alias),
            Failed;
        {refused, Error} ->
            error({py_error, Error});
        {down, Reason} ->
            Format = "this handle's object was on node ~ts, which is down or has no servers any more (~0tp)",
            OnError =
                case lists:nth(5, Arguments) of
                    #{on_error := return} -> return;
                    _ -> raise
                end,
            {failed, py_error:make(handle_lost, Format, [Node, Reason]), OnError}
    end.

%% @private
-spec relay(pid(), pid(), [term()]) -> ok.
relay(Caller, Leader, Arguments) ->
    _ = group_leader(Leader, self()),
    Monitor = monitor(process, Caller),
    receive
        {begin_for, Alias} ->
            _ = put(?CALLER, Caller),
            try apply(py_call, begin_call, Arguments) of
                {ok, Pending} ->
                    Alias ! {Alias, begun, {ok, Pending}},
                    hand_on(Pending, Alias, Monitor);
                Failed ->
                    Alias ! {Alias, begun, Failed},
                    ok
            catch
                error:{py_error, Error} ->
                    Alias ! {Alias, refused, Error},
                    ok
            end;
        {'DOWN', Monitor, process, _, _} ->
            ok
    end.

hand_on(#pending{alias = Own} = Pending, Alias, Monitor) ->
    receive
        {Own, Kind, Content} ->
            Alias ! {Alias, Kind, Content},
            case Kind =:= ?ITEM orelse Kind =:= ?OUTPUT of
                true -> hand_on(Pending, Alias, Monitor);
                false -> ok
            end;
        {credit, Items} ->
            ok = py_call:credit(Pending, Items),
            hand_on(Pending, Alias, Monitor);
        abandon ->
            py_call:abandon(Pending);
        {'DOWN', Own, process, _, Reason} ->
            exit(Reason);
        {'DOWN', Monitor, process, _, _} ->
            py_call:abandon(Pending)
    end.

%% @doc The same as {@link on/4} for a process: when that dies, what runs there is stopped.
-spec on_behalf(pid(), node(), module(), atom(), [term()]) -> {ok, term()} | {error, py_error:error()}.
on_behalf(Caller, Node, Module, Function, Arguments) ->
    on(Node, ?MODULE, do_for, [Caller, Module, Function, Arguments]).

%% @private
%% `erpc' lets go on what nobody waits for any more. Who is killed has its calls cancelled, see py_watcher.
-spec do_for(pid(), module(), atom(), [term()]) -> term().
do_for(Caller, Module, Function, Arguments) ->
    Self = self(),
    _ = spawn(fun() ->
        Waiting = monitor(process, Caller),
        Working = monitor(process, Self),
        receive
            {'DOWN', Waiting, process, _, _} -> exit(Self, kill);
            {'DOWN', Working, process, _, _} -> true
        end
    end),
    apply(Module, Function, Arguments).

%% @doc A function on a node: its value, or an error map. That the node is not there, or goes down, is an error as well.
-spec on(node(), module(), atom(), [term()]) -> {ok, term()} | {error, py_error:error()}.
on(Node, Module, Function, Arguments) ->
    try
        {ok, erpc:call(Node, Module, Function, Arguments)}
    catch
        error:{exception, {py_error, Error}, _} ->
            {error, Error};
        error:{exception, Reason, _} ->
            {error, py_error:make(erlang, "on node ~ts: ~0tp", [Node, Reason])};
        error:{erpc, noconnection} ->
            {error, (py_error:make(node_down, "node ~ts is down", [Node]))#{details => #{node => Node}}};
        error:{erpc, Reason} ->
            {error, py_error:make(node_down, "node ~ts could not do it: ~0tp", [Node, Reason])};
        exit:{exception, Reason} ->
            {error, py_error:make(erlang, "on node ~ts the call exited: ~0tp", [Node, Reason])};
        Class:Reason when Class =:= throw; Class =:= exit ->
            {error, py_error:make(erlang, "on node ~ts: ~0tp", [Node, {Class, Reason}])}
    end.
