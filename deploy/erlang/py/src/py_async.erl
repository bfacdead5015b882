%% @doc Calls that are begun now and whose answers are taken later.
%%
%% A future belongs to the process that made it, which takes the answer with {@link await/2}, once; until then a process
%% between keeps it (see py_inbox), so that it costs nothing to have other messages waiting.
%% One that is not wanted any more is taken back with {@link cancel/1}, which also stops the work. Whoever waits where no
%% answer can come is told so.
-module(py_async).

-export([start/5, await/1, await/2, yield/1, yield/2, cancel/1, await_all/1]).

-export_type([future/0]).

%% Whose it is, and whether its answer was taken.
-opaque future() ::
    {py_future, py_call:pending(), py_inbox:inbox(), pid(), atomics:atomics_ref()}
    | {py_failed, py_error:error(), raise | return}.

%% @doc Begin a call.
-spec start(byte(), binary(), {object, term()} | none, {[term()], py:keywords()}, py_options:options()) -> future().
start(Op, Target, Object, Arguments, Options) ->
    Inbox = py_inbox:open(),
    try py_call:begin_call(Op, Target, Object, Arguments, Options, 0, Inbox) of
        {ok, Pending} ->
            {py_future, Pending, Inbox, self(), atomics:new(1, [])};
        {failed, Error, OnError} ->
            ok = py_inbox:close(Inbox),
            {py_failed, Error, OnError}
    catch
        Class:Reason:Stack ->
            ok = py_inbox:close(Inbox),
            erlang:raise(Class, Reason, Stack)
    end.

%% @doc What came of it, as the call itself would have given it.
-spec await(future()) -> term().
await(Future) -> await(Future, infinity).

%% @doc The same within so many milliseconds; then the call is taken back, and the error is `timeout'.
-spec await(future(), timeout()) -> term().
await({py_future, Pending, Inbox, Owner, Taken}, Patience) ->
    ok = take(Owner, Taken),
    try
        py_call:await(Inbox, Pending, Patience)
    after
        py_inbox:close(Inbox)
    end;
await({py_failed, Error, raise}, _) ->
    error({py_error, Error});
await({py_failed, Error, return}, _) ->
    {error, Error}.

%% Who would wait in vain is told.
take(Owner, Taken) when Owner =:= self() ->
    case atomics:exchange(Taken, 1, 1) of
        0 -> ok;
        1 -> py_error:raise(bad_arguments, "this future's answer was taken already, or the call was taken back", [])
    end;
take(Owner, _) ->
    py_error:raise(bad_arguments, "this future's answer goes to the process that made it, ~0tp", [Owner]).

%% @doc `{value, What}' if it is there already. As `rpc:nb_yield/1'.
-spec yield(future()) -> {value, term()} | timeout.
yield(Future) -> yield(Future, 0).

%% @doc The same, after so many milliseconds at the most. The call goes on after a `timeout'.
-spec yield(future(), timeout()) -> {value, term()} | timeout.
yield({py_future, Pending, Inbox, Owner, Taken}, Patience) ->
    ok = take(Owner, Taken),
    try py_call:poll(Inbox, Pending, Patience) of
        timeout ->
            ok = atomics:put(Taken, 1, 0),
            timeout;
        Value ->
            ok = py_inbox:close(Inbox),
            Value
    catch
        Class:Reason:Stack ->
            ok = py_inbox:close(Inbox),
            erlang:raise(Class, Reason, Stack)
    end;
yield(Failed, _) ->
    {value, await(Failed)}.

%% @doc Nobody wants it: the work is stopped.
-spec cancel(future()) -> ok.
cancel({py_future, Pending, Inbox, Owner, Taken}) ->
    _ = node(Owner) =:= node() andalso atomics:put(Taken, 1, 1),
    ok = py_call:abandon(Inbox, Pending),
    py_inbox:close(Inbox);
cancel(_) -> ok.

%% @doc What came of each, in order. When one fails the others are taken back.
-spec await_all([future()]) -> [term()].
await_all([]) ->
    [];
await_all([Future | Others]) ->
    try await(Future) of
        Value -> [Value | await_all(Others)]
    catch
        Class:Reason:Stack ->
            lists:foreach(fun cancel/1, Others),
            erlang:raise(Class, Reason, Stack)
    end.
