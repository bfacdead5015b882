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
-module(py_call).

-export([run/5, release/2, ask/2]).

-include("py_wire.hrl").
-include("py_server.hrl").

%% The bridge keeps the deadline and says best what happened. If it has not spoken by then, the caller goes.
-define(GRACE, 200).
%% How often a call that could not be written looks again for a port program that is being restarted.
-define(GLANCE, 10).

%% @doc Do `Op' on `Object' (a handle, or any value as first argument; `none' if there is none) and wait for the answer.
-spec run(byte(), binary(), {object, term()} | none, {[term()], py:keywords()}, py_options:options()) -> term().
run(Op, Target, Object, {Positionals, Keywords}, Options) when is_list(Positionals) ->
    {Token, Arguments} = subject(Object, Positionals),
    Packed =
        case Keywords of
            [] -> [Arguments];
            _ -> [Arguments, py_wire:keywords(Keywords)]
        end,
    exchange(Options, fun(Id, #choice{want = Want, style = Style, flags = Flags, timeout = Timeout}) ->
        py_wire:call(Id, {Flags, Timeout}, {Op, Want, Style, Target, Token}, Packed)
    end);
run(_, _, _, {Positionals, _}, _) ->
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
-spec release([binary()], py_options:options()) -> ok.
release(Tokens, Options) ->
    case server(py_options:server(Options)) of
        {ok, #server{port = Port}} ->
            %% A port that is gone took the objects with it.
            _ = write(Port, py_wire:release(Tokens)),
            ok;
        {failed, _} ->
            ok
    end.

%% @doc Ask the bridge itself.
-spec ask(map(), py_options:options()) -> term().
ask(Request, Options) ->
    exchange(Options, fun(Id, _) -> py_wire:control(Id, Request) end).

exchange(Options, Frame) ->
    case server(py_options:server(Options)) of
        {ok, #server{defaults = Defaults} = Server} ->
            Choice = py_options:choose(Options, Defaults),
            settle(send(Server, Choice, Frame), Choice);
        {failed, _} = Failed ->
            settle(Failed, py_options:choose(Options, #choice{}))
    end.

send(#server{max_frame = Max} = Server, Choice, Frame) ->
    Id = erlang:unique_integer([positive]),
    Data = Frame(Id, Choice),
    case iolist_size(Data) of
        Size when Size =< Max ->
            send(Server, Choice, Id, Data);
        %% {packet, 1} and {packet, 2} kill the port over a frame that is too long, and the bridge would refuse what is
        %% over its own limit: here it costs one caller an error.
        Size ->
            Format = "a call of ~b bytes is over the ~b that one frame of this server may have",
            {failed, py_error:make(bad_arguments, Format, [Size, Max])}
    end.

%% Register, write, wait. A frame that could not be written has not run, so it waits for the next port program.
send(#server{owner = Owner, port = Port, calls = Calls} = Server, #choice{timeout = Timeout} = Choice, Id, Data) ->
    Alias = monitor(process, Owner, [{alias, demonitor}]),
    case register_call(Calls, {Id, Alias, self()}) andalso watched(Server) andalso write(Port, Data) of
        true ->
            case await(Alias, Choice, patience(Timeout), started(Timeout)) of
                timeout -> give_up(Server, Id, Alias, Timeout);
                Answer -> Answer
            end;
        false ->
            _ = demonitor(Alias, [flush]),
            case await_server(Server) of
                {ok, Next} -> send(Next, Choice, Id, Data);
                {failed, _} = Failed -> Failed
            end
    end.

register_call(Calls, Row) ->
    try
        ets:insert(Calls, Row)
    catch
        error:badarg -> false
    end.

%% The watcher learns of a caller once in that caller's life, not once a call.
watched(#server{watched = Watched, watcher = Watcher}) ->
    try ets:member(Watched, self()) of
        true ->
            true;
        false ->
            Watcher ! {watch, self()},
            true
    catch
        error:badarg -> false
    end.

write(Port, Data) ->
    try
        port_command(Port, Data)
    catch
        error:badarg -> false
    end.

patience(infinity) -> infinity;
patience(Timeout) -> Timeout + ?GRACE.

started(infinity) -> 0;
started(_) -> erlang:monotonic_time(millisecond).

await(Alias, Choice, Patience, Started) ->
    receive
        {Alias, ?OUTPUT, {Flags, Text}} ->
            py_output:emit(Choice#choice.output, Flags, Text),
            await(Alias, Choice, remaining(Choice, Started), Started);
        {Alias, Kind, Payload} ->
            _ = demonitor(Alias, [flush]),
            {Kind, Payload};
        {'DOWN', Alias, process, _, Reason} ->
            {down, Reason}
    after Patience ->
        timeout
    end.

remaining(#choice{timeout = infinity}, _) -> infinity;
remaining(#choice{timeout = Timeout}, Started) ->
    max(0, Started + Timeout + ?GRACE - erlang:monotonic_time(millisecond)).

%% From here on an answer is dropped, unless it is in the mailbox already.
give_up(#server{calls = Calls, watcher = Watcher}, Id, Alias, Timeout) ->
    _ = demonitor(Alias, [flush]),
    try
        ets:delete(Calls, Id)
    catch
        error:badarg -> true
    end,
    %% Not written here: the caller would hang on a busy port, past the timeout it asked for.
    Watcher ! {cancel, Id},
    flush(Alias),
    {timeout, Timeout}.

flush(Alias) ->
    receive
        {Alias, _, _} -> flush(Alias)
    after 0 -> ok
    end.

settle({?REPLY, Payload}, #choice{on_error = OnError}) ->
    try binary_to_term(Payload, [safe]) of
        Value when OnError =:= raise -> Value;
        Value -> {ok, Value}
    catch
        error:badarg ->
            Message = "the answer holds an atom or a fun that this node does not know",
            fail(OnError, py_error:make(not_encodable, Message, []))
    end;
settle({?CONTROL, Payload}, #choice{on_error = OnError}) ->
    case binary_to_term(Payload, [safe]) of
        #{<<"op">> := <<"refused">>, <<"message">> := Why} -> fail(OnError, py_error:make(refused, "~ts", [Why]));
        Answer when OnError =:= raise -> Answer;
        Answer -> {ok, Answer}
    end;
settle({?ERROR, Payload}, #choice{on_error = OnError}) ->
    fail(OnError, py_error:decode(Payload));
settle({timeout, Timeout}, #choice{on_error = OnError}) ->
    Error = py_error:make(timeout, "no answer within ~b ms, and the bridge did not say why", [Timeout]),
    fail(OnError, Error);
settle({down, Reason}, #choice{on_error = OnError}) ->
    fail(OnError, py_port:lost(Reason));
settle({failed, Error}, #choice{on_error = OnError}) ->
    fail(OnError, Error).

fail(return, Error) -> {error, Error};
fail(raise, Error) -> error({py_error, Error}).

%% The server's row. While its port program starts, wait for it: it answers as soon as it can be written to.
server(Name) ->
    try ets:lookup(py_servers, Name) of
        [#server{port = Port} = Server] when is_port(Port) -> {ok, Server};
        [#server{} = Server] -> await_server(Server);
        [] -> {failed, py_error:make(pool_unavailable, "there is no server called ~tp", [Name])}
    catch
        error:badarg ->
            Format = "the application py does not run: application:ensure_all_started(py) starts it",
            {failed, py_error:make(pool_unavailable, Format, [])}
    end.

%% `Stale' is the port that could not be written to, or none yet: only another one is worth a try.
await_server(#server{name = Name, port = Stale, patience = Patience}) ->
    await_server(Name, Stale, erlang:monotonic_time(millisecond) + Patience).

await_server(Name, Stale, Until) ->
    case ets:whereis(py_servers) =/= undefined andalso ets:lookup(py_servers, Name) of
        [#server{port = Port} = Server] when is_port(Port), Port =/= Stale ->
            {ok, Server};
        Found ->
            case Found =:= false orelse erlang:monotonic_time(millisecond) >= Until of
                true ->
                    {failed, py_error:make(disconnected, "the port program of server ~tp does not run", [Name])};
                false ->
                    timer:sleep(?GLANCE),
                    await_server(Name, Stale, Until)
            end
    end.
