%% @doc The values of a Python iterator, one after the other, as fast as they are taken.
%%
%% ```
%% Stream = py:stream(itertools, count, [10]),
%% {ok, 10} = py_stream:next(Stream),
%% [11, 12] = py_stream:take(2, Stream),
%% ok = py_stream:close(Stream).
%% '''
%%
%% Python sends as many values ahead as the option `window' says (16), and then waits: who does not take them is never
%% run over. A stream belongs to the process that opened it; when that dies the stream is closed. {@link send_to/3} has
%% one sent to another process as messages instead:
%%
%% <ul>
%% <li>`{py_stream, Stream, {item, Value}}', as many as {@link credit/2} allowed;</li>
%% <li>`{py_stream, Stream, done}', or `{py_stream, Stream, {error, Map}}', once.</li>
%% </ul>
-module(py_stream).

-export([open/4, next/1, next/2, take/2, fold/3, to_list/1, close/1]).
-export([send_to/3, credit/2]).

-export_type([stream/0, relay/0]).

-include("py_wire.hrl").
-include("py_server.hrl").

-record(stream, {
    owner :: pid(),
    inbox :: py_inbox:inbox(),
    pending :: py_call:pending(),
    window :: pos_integer(),
    %% values taken since Python was last told, and whether it is over
    taken :: counters:counters_ref()
}).

-opaque stream() :: #stream{}.
-type relay() :: pid().

-define(WINDOW, 16).
-define(TAKEN, 1).
-define(OVER, 2).

%% @doc Call a function that gives an iterator or a generator; or, with an object, iterate over that.
-spec open(binary() | iterate, {object, term()} | none, {[term()], py:keywords()}, map()) -> stream().
open(What, Object, Arguments, Options) ->
    {Window, CallOptions} = window(Options),
    {Op, Target} =
        case What of
            iterate -> {?OP_ITERATE, <<>>};
            Name -> {?OP_CALL, Name}
        end,
    Inbox = py_inbox:open(),
    try py_call:begin_call(Op, Target, Object, Arguments, CallOptions, ?STREAM, Inbox) of
        {ok, Pending} ->
            ok = py_call:credit(Pending, Window),
            #stream{owner = self(), inbox = Inbox, pending = Pending, window = Window, taken = counters:new(2, [])};
        {failed, Error, _} ->
            error({py_error, Error})
    catch
        Class:Reason:Stack ->
            ok = py_inbox:close(Inbox),
            erlang:raise(Class, Reason, Stack)
    end.

window(#{window := Window} = Options) when is_integer(Window), Window > 0 -> {Window, maps:remove(window, Options)};
window(#{window := Window}) -> py_error:raise(bad_arguments, "a window is an integer from 1 on, not ~0tp", [Window]);
window(Options) -> {?WINDOW, Options}.

%% @doc The next value, when it is there.
-spec next(stream()) -> {ok, term()} | done.
next(Stream) -> next(Stream, infinity).

%% @doc The same, within so many milliseconds. The stream goes on after a `timeout'.
-spec next(stream(), timeout()) -> {ok, term()} | done | timeout.
next(#stream{owner = Owner}, _) when Owner =/= self() ->
    Format = "this stream's values go to the process that opened it, ~0tp: py_stream:send_to/3 sends them to another",
    py_error:raise(bad_arguments, Format, [Owner]);
next(#stream{taken = Taken} = Stream, Patience) ->
    case counters:get(Taken, ?OVER) of
        1 -> done;
        0 -> next_until(Stream, py_call:from_now(Patience))
    end.

next_until(#stream{inbox = Inbox, pending = #pending{alias = Alias, choice = Choice} = Pending} = Stream, Until) ->
    case py_inbox:next(Inbox, Alias, Until) of
        timeout ->
            timeout;
        {?OUTPUT, Output} ->
            ok = py_answer:emit(Output, Pending),
            next_until(Stream, Until);
        {?ITEM, Payload} ->
            ok = ask_for_more(Stream),
            {ok, py_answer:settle({?REPLY, Payload}, Choice#choice{on_error = raise})};
        {?END, _} ->
            ok = over(Stream),
            done;
        Answer ->
            ok = over(Stream),
            ended(py_answer:settle(Answer, Choice#choice{on_error = raise}))
    end.

-spec ended(term()) -> no_return().
ended(Value) ->
    Format = "the call gave no iterator but ~0tP: py:iterate/1 opens a stream of what can be iterated",
    py_error:raise(bad_arguments, Format, [Value, 12]).

over(#stream{inbox = Inbox, taken = Taken}) ->
    ok = py_inbox:close(Inbox),
    counters:put(Taken, ?OVER, 1).

%% When half of what was sent ahead is used up.
ask_for_more(#stream{pending = Pending, window = Window, taken = Taken}) ->
    ok = counters:add(Taken, ?TAKEN, 1),
    case counters:get(Taken, ?TAKEN) of
        Count when Count * 2 >= Window ->
            ok = counters:put(Taken, ?TAKEN, 0),
            py_call:credit(Pending, Count);
        _ ->
            ok
    end.

%% @doc Up to so many values.
-spec take(non_neg_integer(), stream()) -> [term()].
take(0, _) ->
    [];
take(Count, Stream) ->
    case next(Stream) of
        {ok, Value} -> [Value | take(Count - 1, Stream)];
        done -> []
    end.

%% @doc As `lists:foldl/3'; the stream is closed if the fun fails.
-spec fold(fun((term(), Acc) -> Acc), Acc, stream()) -> Acc.
fold(Fun, Acc, Stream) ->
    try next(Stream) of
        {ok, Value} -> fold(Fun, Fun(Value, Acc), Stream);
        done -> Acc
    catch
        Class:Reason:Stack ->
            ok = close(Stream),
            erlang:raise(Class, Reason, Stack)
    end.

%% @doc All values.
-spec to_list(stream()) -> [term()].
to_list(Stream) -> lists:reverse(fold(fun(Value, Values) -> [Value | Values] end, [], Stream)).

%% @doc Take no more: a generator's `finally' blocks run.
-spec close(stream()) -> ok.
close(#stream{inbox = Inbox, pending = Pending, taken = Taken} = Stream) ->
    case counters:get(Taken, ?OVER) of
        1 ->
            ok;
        0 ->
            ok = py_call:abandon(Inbox, Pending),
            over(Stream)
    end.

%% @doc Have the values sent to a process: `Open' opens the stream, `Credit' of them may come before it says so again.
%% When that process dies the stream is closed.
-spec send_to(pid(), fun(() -> stream()), non_neg_integer()) -> relay().
send_to(To, Open, Credit) when is_pid(To), is_function(Open, 0), is_integer(Credit), Credit >= 0 ->
    Leader = group_leader(),
    Relay = spawn(fun() ->
        _ = group_leader(Leader, self()),
        relay(To, Credit, Open)
    end),
    _ = spawn(fun() -> end_with(To, Relay) end),
    Relay.

%% The relay may wait for a value that never comes. Who dies has its streams closed, see py_watcher.
end_with(To, Relay) ->
    Receiver = monitor(process, To),
    Sender = monitor(process, Relay),
    receive
        {'DOWN', Receiver, process, _, _} -> exit(Relay, kill);
        {'DOWN', Sender, process, _, _} -> true
    end.

%% @doc So many more values may come.
-spec credit(relay(), pos_integer()) -> ok.
credit(Relay, Count) when is_integer(Count), Count > 0 ->
    Relay ! {credit, Count},
    ok.

relay(To, Credit, Open) ->
    try
        pump(To, Credit, Open())
    of
        done -> To ! {py_stream, self(), done}
    catch
        error:{py_error, Error} -> To ! {py_stream, self(), {error, Error}}
    end.

%% The receiver's credit first, then the next value.
pump(To, 0, Stream) ->
    receive
        {credit, More} -> pump(To, More, Stream)
    end;
pump(To, Credit, Stream) ->
    case next(Stream) of
        {ok, Value} ->
            To ! {py_stream, self(), {item, Value}},
            receive
                {credit, More} -> pump(To, Credit - 1 + More, Stream)
            after 0 -> pump(To, Credit - 1, Stream)
            end;
        done ->
            done
    end.
