%% @doc Takes the answers of calls that were begun, until their caller asks for them.
%%
%% A caller may have any number of messages that it has not looked at. An answer among these would be found by looking at
%% all that came before it, each time, unless it is known that it can't be there: that is so where a reference is made and
%% then waited for at once, as in a plain call (see py_call), and not where the call was begun some time ago. So calls that
%% are begun have this process between: answers go to its mailbox, which holds nothing else, and the caller gets the next
%% one by asking with a new reference.
%%
%% It monitors for the caller what the answers come from, too, and ends with the caller.
-module(py_inbox).

-export([open/0, close/1, expect/2, alias/2, forget/2, post/3, next/2, next/3]).

-export_type([inbox/0, address/0, event/0]).

-include("py_wire.hrl").

-type inbox() :: pid().
%% Where what comes of a call is sent: to the caller or an inbox by an alias, or to an inbox that knows it by a tag.
-type address() :: reference() | {inbox(), reference()}.
%% Of a call: what came of it, or a part of that; or why nothing more can come.
-type event() :: {Kind :: term(), Content :: term()} | {down, Reason :: term()}.

-record(state, {
    caller :: reference(),
    %% of each call that has no end yet, the monitor of what its end comes from
    expected = #{} :: #{address() => reference()},
    %% what nobody has asked for yet, in the order in which it came
    events = queue:new() :: queue:queue({address(), event()}),
    %% who asks, for which call, and until when
    asked = nothing :: nothing | {reference(), any | address(), integer() | infinity}
}).

%% @doc Make one for this process.
-spec open() -> inbox().
open() ->
    Caller = self(),
    spawn(fun() -> loop(#state{caller = monitor(process, Caller)}) end).

%% @doc Nothing is expected any more. Who asks nevertheless, or was asking, is told that nothing can come.
-spec close(inbox()) -> ok.
close(Inbox) ->
    Inbox ! close,
    ok.

%% @doc From here on this process may {@link post/3} what comes of one more call.
-spec expect(inbox(), pid()) -> address().
expect(Inbox, Sender) ->
    Address = {Inbox, make_ref()},
    Inbox ! {expect, Address, Sender},
    Address.

%% @doc The same by an alias, which any process on any node may send to. It takes longer.
-spec alias(inbox(), pid()) -> address().
alias(Inbox, Sender) ->
    case ask(Inbox, {alias, Sender}) of
        {expected, Alias} -> Alias;
        {down, Reason} -> error({py_error, py_port:lost(Reason)})
    end.

%% @doc And now no more.
-spec forget(inbox(), address()) -> ok.
forget(Inbox, Address) ->
    Inbox ! {forget, Address},
    ok.

%% @doc Send what comes of a call.
-spec post(address(), Kind :: term(), Content :: term()) -> ok.
post({Inbox, _} = Address, Kind, Content) ->
    Inbox ! {Address, Kind, Content},
    ok;
post(Alias, Kind, Content) ->
    Alias ! {Alias, Kind, Content},
    ok.

%% @doc What comes next, of whichever call, if it comes in time.
-spec next(inbox(), integer() | infinity) -> {address(), event()} | timeout | {down, term()}.
next(Inbox, Until) -> ask(Inbox, {next, any, Until}).

%% @doc What comes next of one call.
-spec next(inbox(), address(), integer() | infinity) -> event() | timeout.
next(Inbox, Address, Until) ->
    case ask(Inbox, {next, Address, Until}) of
        {Address, Event} -> Event;
        Other -> Other
    end.

%% The reference is made here and waited for here: nothing that was in the caller's mailbox before is looked at.
ask(Inbox, Question) ->
    Ref = monitor(process, Inbox, [{alias, reply_demonitor}]),
    Inbox ! {ask, Ref, Question},
    receive
        {Ref, Answer} -> Answer;
        {'DOWN', Ref, process, _, _} -> {down, taken_back}
    end.

loop(#state{asked = nothing} = State) ->
    receive
        Message -> took(Message, State)
    end;
loop(#state{asked = {Ref, _, Until}} = State) ->
    receive
        Message -> took(Message, State)
    after py_gather:remaining(Until) ->
        Ref ! {Ref, timeout},
        loop(State#state{asked = nothing})
    end.

took({expect, Address, Sender}, #state{expected = Expected} = State) ->
    Monitor = monitor(process, Sender, [{tag, {down, Address}}]),
    loop(State#state{expected = Expected#{Address => Monitor}});
took({ask, Ref, {alias, Sender}}, #state{expected = Expected} = State) ->
    Alias = monitor(process, Sender, [{alias, demonitor}]),
    Ref ! {Ref, {expected, Alias}},
    loop(State#state{expected = Expected#{Alias => Alias}});
took({ask, Ref, {next, Which, Until}}, #state{events = Events} = State) ->
    case first(Which, Events) of
        {Event, Others} ->
            Ref ! {Ref, Event},
            loop(State#state{events = Others});
        none ->
            loop(State#state{asked = {Ref, Which, Until}})
    end;
took({forget, Address}, State) ->
    loop(ended(Address, State));
took(close, _) ->
    ok;
took({'DOWN', Caller, process, _, _}, #state{caller = Caller}) ->
    ok;
took({{down, Address}, _, process, _, Reason}, State) ->
    came({Address, {down, Reason}}, ended(Address, State));
took({'DOWN', Alias, process, _, Reason}, State) ->
    came({Alias, {down, Reason}}, ended(Alias, State));
took({Address, Kind, Content}, State) when Kind =:= ?ITEM; Kind =:= ?OUTPUT; Kind =:= begun ->
    came({Address, {Kind, Content}}, State);
took({Address, Kind, Content}, State) ->
    came({Address, {Kind, Content}}, ended(Address, State));
took(_, State) ->
    loop(State).

ended(Address, #state{expected = Expected} = State) ->
    case maps:take(Address, Expected) of
        {Monitor, Others} ->
            _ = demonitor(Monitor, [flush]),
            State#state{expected = Others};
        error ->
            State
    end.

came({Address, _} = Event, #state{asked = {Ref, Which, _}} = State) when Which =:= any; Which =:= Address ->
    Ref ! {Ref, Event},
    loop(State#state{asked = nothing});
came(Event, #state{events = Events} = State) ->
    loop(State#state{events = queue:in(Event, Events)}).

first(any, Events) ->
    case queue:out(Events) of
        {{value, Event}, Others} -> {Event, Others};
        {empty, _} -> none
    end;
first(Address, Events) ->
    case queue:peek(Events) of
        empty ->
            none;
        %% With one call to an inbox, as most have it, this is the one.
        {value, {Address, _} = Event} ->
            {Event, queue:drop(Events)};
        {value, _} ->
            case lists:keytake(Address, 1, queue:to_list(Events)) of
                {value, Event, Others} -> {Event, queue:from_list(Others)};
                false -> none
            end
    end.
