%% @doc The caller's side of a call: nothing in here runs in a process of ours.
%%
%% A caller writes its frame to the port by itself, so no process is a bottleneck, and a busy port suspends each caller
%% on its own. The way of a call:
%%
%% <ol>
%% <li>The server's row tells the port, its owner and the table of calls.</li>
%% <li>The caller monitors the owner with an alias, and puts `{Id, Alias, self()}' into the table.</li>
%% <li>It writes the frame and waits. The owner takes the row out when the answer comes, and sends it to the alias.</li>
%% <li>When the port program dies its owner dies with it, saying why, and the monitor brings that to every caller.</li>
%% </ol>
%%
%% The alias ends with the monitor, so an answer that comes after the caller gave up is dropped by the virtual machine
%% and never lands in its mailbox. A caller that dies is the business of py_watcher.
%%
%% A process that answers a callback (see {@link py_callback}) says so with each of its calls: they may run in the very
%% worker that waits for the answer.
-module(py_call).

-export([run/5, begin_call/6, begin_call/7, await/3, poll/3, abandon/1, abandon/2, cast/5, release/2, ask/2, question/2]).
-export([credit/2, write/2, until/1, from_now/1]).

-export_type([pending/0, begun/0]).

-include("py_wire.hrl").
-include("py_server.hrl").

%% The bridge keeps the deadline and says best what happened. If it has not spoken by then, the caller goes.
-define(GRACE, 200).

-type pending() :: #pending{}.
-type begun() :: {ok, pending()} | {failed, py_error:error(), raise | return}.
-type subject() :: {object, term()} | none.
-type arguments() :: {[term()], py:keywords()}.

%% @doc Do `Op' on `Object' (a handle, or any value as first argument; `none' if there is none) and wait for the answer.
-spec run(byte(), binary(), subject(), arguments(), py_options:options()) -> term().
run(Op, Target, Object, Arguments, Options) ->
    {Token, Packed} = packed(Object, Arguments),
    case prepare(Options, Object, Arguments, call_frame(0, {Op, Target, Token}, Packed)) of
        {ready, Server, Choice, Id, Data} ->
            exchange(Server, Choice, Id, Data);
        {remote, Owner} ->
            Inbox = py_inbox:open(),
            try py_remote:begin_call(node(Owner), [Op, Target, Object, Arguments, Options, 0], Inbox) of
                {ok, Pending} -> await(Inbox, Pending, infinity);
                {failed, Error, OnError} -> py_answer:fail(OnError, Error)
            after
                py_inbox:close(Inbox)
            end;
        {failed, Error, OnError} ->
            py_answer:fail(OnError, Error)
    end.

%% @doc The first half of it: the call is on its way. What comes of it goes to the mailbox of this process.
-spec begin_call(byte(), binary(), subject(), arguments(), py_options:options(), Flags :: non_neg_integer()) ->
    begun().
begin_call(Op, Target, Object, Arguments, Options, More) ->
    begin_call(Op, Target, Object, Arguments, Options, More, none).

%% @doc The same; what comes of it goes to an inbox, if one is given.
-spec begin_call(
    byte(), binary(), subject(), arguments(), py_options:options(), Flags :: non_neg_integer(), py_inbox:inbox() | none
) -> begun().
begin_call(Op, Target, Object, Arguments, Options, More, Inbox) ->
    {Token, Packed} = packed(Object, Arguments),
    case prepare(Options, Object, Arguments, call_frame(More, {Op, Target, Token}, Packed)) of
        {ready, Server, Choice, Id, Data} -> send(Server, Choice, Id, Data, Inbox);
        {remote, Owner} when is_pid(Inbox) ->
            py_remote:begin_call(node(Owner), [Op, Target, Object, Arguments, Options, More], Inbox);
        {remote, Owner} ->
            #choice{on_error = OnError} = py_options:choose(Options, #choice{}),
            {failed, py_error:make(handle_lost, "the object is on node ~ts, not here", [node(Owner)]), OnError};
        Failed ->
            Failed
    end.

call_frame(More, {Op, Target, Token}, Packed) ->
    fun(Id, #choice{want = Want, style = Style, flags = Flags, timeout = Timeout}) ->
        py_wire:call(Id, {Flags bor More, Timeout}, {Op, Want, Style, Target, Token}, Packed)
    end.

%% @doc A call whose answer nobody wants. It may fail and nobody hears of that.
-spec cast(byte(), binary(), subject(), arguments(), py_options:options()) -> ok | {error, py_error:error()}.
cast(Op, Target, Object, Arguments, Options) ->
    {Token, Packed} = packed(Object, Arguments),
    case py_servers:for_call(Options, Object, Arguments) of
        {ok, #server{defaults = Defaults, port = Port} = Server} ->
            Choice = py_options:choose(Options, Defaults),
            Id = erlang:unique_integer([positive]),
            case written(Server, Choice, Id, call_frame(?CAST, {Op, Target, Token}, Packed)) of
                {failed, Error} -> py_answer:fail(Choice#choice.on_error, Error);
                Data -> _ = traced(Port, Choice, Id) andalso write(Port, Data), ok
            end;
        {remote, Owner} ->
            erpc:cast(node(Owner), ?MODULE, cast, [Op, Target, Object, Arguments, Options]);
        {failed, _} ->
            ok
    end.

%% An improper list has no length.
packed(Object, {Positionals, Keywords}) when length(Positionals) >= 0 ->
    {Token, Arguments} = subject(Object, Positionals),
    case Keywords of
        [] -> {Token, [Arguments]};
        _ -> {Token, [Arguments, py_wire:keywords(Keywords)]}
    end;
packed(_, {Positionals, _}) ->
    py_error:raise(bad_arguments, "arguments are a list, not ~0tp", [Positionals]).

%% The object of an operation travels in the head if it is a handle (that routes the call), else as a value.
subject(none, Positionals) ->
    {<<>>, Positionals};
subject({object, Object}, Positionals) ->
    case py_wire:token(Object) of
        {ok, Token} -> {Token, Positionals};
        error -> {<<>>, [Object | Positionals]}
    end.

%% @doc Let go of handles. There is no answer.
-spec release([py:handle()], py_options:options()) -> ok.
release(Handles, Options) ->
    [
        case py_servers:for_call(Options, {object, Handle}, {[], []}) of
            %% A port that is gone took the objects with it.
            {ok, #server{port = Port}} -> write(Port, py_wire:release([Token]));
            {remote, Owner} -> erpc:cast(node(Owner), ?MODULE, release, [[Handle], Options]);
            {failed, _} -> false
        end
     || {py_handle, Token, _} = Handle <- Handles
    ],
    ok.

%% @doc Ask the bridge itself.
-spec ask(map(), py_options:options()) -> term().
ask(Request, Options) ->
    case prepared(Request, Options) of
        {ready, Server, Choice, Id, Data} -> exchange(Server, Choice, Id, Data);
        {failed, Error, OnError} -> py_answer:fail(OnError, Error)
    end.

%% @doc The first half of it.
-spec question(map(), py_options:options()) -> begun().
question(Request, Options) ->
    case prepared(Request, Options) of
        {ready, Server, Choice, Id, Data} -> send(Server, Choice, Id, Data, none);
        {failed, _, _} = Failed -> Failed
    end.

prepared(Request, Options) ->
    prepare(Options, none, {[], []}, fun(Id, _) -> py_wire:control(Id, Request) end).

%% Which server, with which choice, under which id, and the bytes.
prepare(Options, Object, Arguments, Frame) ->
    case py_servers:for_call(Options, Object, Arguments) of
        {ok, #server{defaults = Defaults} = Server} ->
            Choice = py_options:choose(Options, Defaults),
            Id = erlang:unique_integer([positive]),
            case written(Server, Choice, Id, Frame) of
                {failed, Error} -> {failed, Error, Choice#choice.on_error};
                Data -> {ready, Server, Choice, Id, Data}
            end;
        {remote, _} = Remote ->
            Remote;
        {failed, Error} ->
            #choice{on_error = OnError} = py_options:choose(Options, #choice{}),
            {failed, Error, OnError}
    end.

%% The bytes of a call, if one frame may have so many.
written(#server{name = Name, owner = Owner, max_frame = Max}, Choice, Id, Frame) ->
    Plain = Frame(Id, Choice),
    Data =
        case {Choice#choice.worker, get(?NESTED_IN)} of
            {any, {Name, Owner, Callback}} -> py_wire:nested(Callback, Plain);
            {any, _} -> Plain;
            {Slot, _} -> py_wire:placed(Slot, Plain)
        end,
    case iolist_size(Data) of
        Size when Size =< Max ->
            Data;
        %% {packet, 1} and {packet, 2} kill the port over a frame that is too long, and the bridge would refuse what is
        %% over its own limit: here it costs one caller an error.
        Size ->
            Format = "a call of ~b bytes is over the ~b that one frame of this server may have",
            {failed, py_error:make(bad_arguments, Format, [Size, Max])}
    end.

send(#server{owner = Owner} = Server, Choice, Id, Data, Inbox) ->
    Alias = expect(Inbox, Owner),
    Row = {Id, Alias, caller()},
    case is_sent(Server, Choice, Row, Data) of
        true ->
            {ok, pending(Server, Choice, Row)};
        false ->
            ok = forget(Inbox, Alias),
            case py_servers:next_life(Server) of
                {ok, Next} -> send(Next, Choice, Id, Data, Inbox);
                {failed, Error} -> {failed, Error, Choice#choice.on_error}
            end
    end.

expect(none, Sender) -> monitor(process, Sender, [{alias, demonitor}]);
expect(Inbox, Sender) -> py_inbox:expect(Inbox, Sender).

forget(none, Alias) ->
    _ = demonitor(Alias, [flush]),
    flush(Alias);
forget(Inbox, Alias) ->
    py_inbox:forget(Inbox, Alias).

%% The same, and wait. The alias is made here and handed by itself to nothing but the receive that waits for it: so the
%% compiler sees that what was in the mailbox before can't be the answer, and none of that is looked at, be it ever so
%% many messages.
exchange(#server{owner = Owner} = Server, Choice, Id, Data) ->
    Alias = monitor(process, Owner, [{alias, demonitor}]),
    Row = {Id, Alias, caller()},
    case is_sent(Server, Choice, Row, Data) of
        true ->
            Pending = pending(Server, Choice, Row),
            answered(receive_answer(Alias, Pending, Pending#pending.until), Pending);
        false ->
            %% A frame that could not be written has not run, so it waits for the next port program.
            _ = demonitor(Alias, [flush]),
            case py_servers:next_life(Server) of
                {ok, Next} -> exchange(Next, Choice, Id, Data);
                {failed, Error} -> py_answer:fail(Choice#choice.on_error, Error)
            end
    end.

pending(Server, #choice{timeout = Timeout} = Choice, {Id, Alias, _}) ->
    #pending{server = Server, choice = Choice, id = Id, alias = Alias, until = until(Timeout)}.

%% Register, write.
is_sent(#server{port = Port, calls = Calls} = Server, Choice, {Id, _, Caller} = Row, Data) ->
    register_call(Calls, Row) andalso
        watched(Server, Caller) andalso
        traced(Port, Choice, Id) andalso
        write(Port, Data).

%% The trace context goes ahead of its call.
traced(_, #choice{traceparent = none}, _) -> true;
traced(Port, #choice{traceparent = Context}, Id) -> write(Port, py_wire:trace(Id, Context)).

register_call(Calls, Row) ->
    try
        ets:insert(Calls, Row)
    catch
        error:badarg -> false
    end.

%% Whose call it is: a relay's is that of a process on another node.
caller() ->
    case get(?CALLER) of
        undefined -> self();
        Caller -> Caller
    end.

%% The watcher learns of a caller once in that caller's life, not once a call.
watched(#server{watched = Watched, watcher = Watcher}, Caller) ->
    try ets:member(Watched, Caller) of
        true ->
            true;
        false ->
            Watcher ! {watch, Caller},
            true
    catch
        error:badarg -> false
    end.

%% @doc So many more items of a stream may come.
-spec credit(pending(), pos_integer()) -> ok.
credit(#pending{relay = undefined, server = #server{port = Port}, id = Id}, Items) ->
    _ = write(Port, py_wire:credit(Id, Items)),
    ok;
credit(#pending{relay = Relay}, Items) ->
    Relay ! {credit, Items},
    ok.

%% @doc Write to a port that may be gone.
-spec write(port(), iodata()) -> boolean().
write(Port, Data) ->
    try
        port_command(Port, Data)
    catch
        error:badarg -> false
    end.

%% @doc When a caller goes that has heard nothing.
-spec until(timeout()) -> integer() | infinity.
until(infinity) -> infinity;
until(Timeout) -> erlang:monotonic_time(millisecond) + Timeout + ?GRACE.

%% @doc The second half: wait for what comes of a call. Past `Patience' milliseconds the call is taken back.
-spec await(py_inbox:inbox(), pending(), timeout()) -> term().
await(Inbox, #pending{until = Until, choice = Choice} = Pending, Patience) ->
    case next_answer(Inbox, Pending, sooner(Until, Patience)) of
        timeout ->
            ok = abandon(Inbox, Pending),
            py_answer:settle({timeout, Pending}, Choice);
        Answer ->
            py_answer:settle(Answer, Choice)
    end.

answered(timeout, #pending{choice = Choice} = Pending) ->
    ok = abandon(Pending),
    py_answer:settle({timeout, Pending}, Choice);
answered(Answer, #pending{choice = Choice}) ->
    py_answer:settle(Answer, Choice).

%% @doc What came of a call, if it is there within `Patience' milliseconds.
-spec poll(py_inbox:inbox(), pending(), timeout()) -> {value, term()} | timeout.
poll(Inbox, #pending{choice = Choice} = Pending, Patience) ->
    case next_answer(Inbox, Pending, sooner(infinity, Patience)) of
        timeout -> timeout;
        Answer -> {value, py_answer:settle(Answer, Choice)}
    end.

next_answer(Inbox, #pending{alias = Alias} = Pending, Until) ->
    case py_inbox:next(Inbox, Alias, Until) of
        {?OUTPUT, Output} ->
            ok = py_answer:emit(Output, Pending),
            next_answer(Inbox, Pending, Until);
        Answer ->
            Answer
    end.

%% Infinity is an atom, and above all numbers.
sooner(Until, Patience) -> min(Until, from_now(Patience)).

%% @doc When so many milliseconds are over.
-spec from_now(timeout()) -> integer() | infinity.
from_now(infinity) -> infinity;
from_now(Patience) -> erlang:monotonic_time(millisecond) + Patience.

receive_answer(Alias, Pending, Until) ->
    receive
        {Alias, ?OUTPUT, Output} ->
            ok = py_answer:emit(Output, Pending),
            receive_answer(Alias, Pending, Until);
        {Alias, Kind, Payload} ->
            _ = demonitor(Alias, [flush]),
            {Kind, Payload};
        {'DOWN', Alias, process, _, Reason} ->
            {down, Reason}
    after remaining(Until) ->
        timeout
    end.

remaining(infinity) -> infinity;
remaining(Until) -> max(0, Until - erlang:monotonic_time(millisecond)).

%% @doc Take a call back whose answer would come to this process.
-spec abandon(pending()) -> ok.
abandon(Pending) -> abandon(none, Pending).

%% @doc The same of one whose answer would come to an inbox. From here on an answer is dropped.
-spec abandon(py_inbox:inbox() | none, pending()) -> ok.
abandon(Inbox, #pending{alias = Alias} = Pending) ->
    ok = withdraw(Pending),
    forget(Inbox, Alias).

withdraw(#pending{relay = Relay}) when is_pid(Relay) ->
    Relay ! abandon,
    ok;
withdraw(#pending{server = #server{calls = Calls, watcher = Watcher}, id = Id}) ->
    try
        ets:delete(Calls, Id)
    catch
        error:badarg -> true
    end,
    %% Not written here: the caller would hang on a busy port, past the timeout it asked for.
    Watcher ! {cancel, Id},
    ok.

flush(Alias) ->
    receive
        {Alias, _, _} -> flush(Alias)
    after 0 -> ok
    end.
