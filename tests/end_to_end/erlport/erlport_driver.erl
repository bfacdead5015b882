%% An Erlang side that speaks ErlPort's wire: what `python` and `erlport` do, as far as the tests need it.
%%
%% Where ErlPort itself is at hand (its ebin folder in ERLPORT_EBIN), the suites use its modules instead; this one keeps
%% to the same interface. The process that owns the port is a gen_server; a call from Python runs in a linked process.
-module(erlport_driver).

-behaviour(gen_server).

-export([start/0, start/1, call/4, call/5, cast/2, stop/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-record(state, {port, compressed = 0, sent = #{}, calls = #{}}).

start() ->
    start([]).

start(Options) ->
    gen_server:start(?MODULE, Options, [{timeout, 60000}]).

call(Instance, Module, Function, Args) ->
    call(Instance, Module, Function, Args, []).

call(Instance, Module, Function, Args, Options) ->
    Request = {call, Module, Function, Args, proplists:get_value(timeout, Options, infinity)},
    case proplists:get_bool(async, Options) of
        true ->
            gen_server:cast(Instance, Request);
        false ->
            case gen_server:call(Instance, Request, infinity) of
                {ok, Result} -> Result;
                {error, Error} -> erlang:error(Error)
            end
    end.

cast(Instance, Message) ->
    gen_server:cast(Instance, {message, Message}).

stop(Instance) ->
    gen_server:cast(Instance, stop).

%% The port

init(Options) ->
    process_flag(trap_exit, true),
    Executable = os:find_executable(proplists:get_value(python, Options, "bascule-erlport")),
    "Python 3." ++ _ = os:cmd(Executable ++ " -V"),
    Packet = proplists:get_value(packet, Options, 4),
    Compressed = proplists:get_value(compressed, Options, 0),
    Stdio = case proplists:get_bool(nouse_stdio, Options) of true -> nouse_stdio; false -> use_stdio end,
    Command = lists:concat([
        Executable, " -u -m erlport.cli --packet=", Packet, " --", Stdio, " --compressed=", Compressed,
        " --buffer_size=", proplists:get_value(buffer_size, Options, 65536)
    ]),
    Path = string:join(proplists:get_value(python_path, Options, []), ":"),
    Settings =
        [{env, [{"PYTHONPATH", Path} | proplists:get_value(env, Options, [])]}]
        ++ [{cd, Folder} || {cd, Folder} <- Options]
        ++ [nouse_stdio || Stdio =:= nouse_stdio],
    Port = open_port({spawn, Command}, [{packet, Packet}, binary, hide, exit_status | Settings]),
    {ok, #state{port = Port, compressed = Compressed}}.

handle_call({call, Module, Function, Args, Timeout}, From, State) ->
    {noreply, send_call(Module, Function, Args, Timeout, From, State)}.

handle_cast({call, Module, Function, Args, Timeout}, State) ->
    {noreply, send_call(Module, Function, Args, Timeout, nobody, State)};
handle_cast({message, Message}, State) ->
    {noreply, send({'M', prepare(Message)}, State)};
handle_cast(stop, State) ->
    {stop, normal, State}.

handle_info({Port, {data, Data}}, #state{port = Port} = State) ->
    try binary_to_term(Data) of
        Message -> take(Message, State)
    catch
        error:badarg -> {stop, {invalid_protocol_data, Data}, State}
    end;
handle_info({Port, {exit_status, Code}}, #state{port = Port} = State) ->
    {stop, {port_closed, {code, Code}}, State};
handle_info({'EXIT', Port, Reason}, #state{port = Port} = State) ->
    {stop, {port_closed, Reason}, State};
handle_info({'EXIT', Pid, Result}, #state{calls = Calls} = State) ->
    case maps:take(Pid, Calls) of
        {Id, Left} -> {noreply, send_result(Id, Result, State#state{calls = Left})};
        error -> {noreply, State}
    end;
handle_info({late, Id}, #state{sent = Sent} = State) ->
    case Sent of
        #{Id := {From, _}} ->
            reply(From, {error, timeout}),
            {noreply, State#state{sent = Sent#{Id := {nobody, none}}}};
        #{} ->
            {noreply, State}
    end;
handle_info(Message, State) ->
    {noreply, send({'M', prepare(Message)}, State)}.

terminate(Reason, #state{sent = Sent}) ->
    Error = {error, case Reason of normal -> stopped; _ -> Reason end},
    [reply(From, Error) || {From, _} <- maps:values(Sent)].

%% What Python says

take({'r', Id, Result}, State) ->
    settle(Id, {ok, Result}, State);
take({'e', Id, Error}, State) ->
    settle(Id, {error, Error}, State);
take({'e', Error}, State) ->
    {stop, {message_handler_error, Error}, State};
take({'C', Id, Module, Function, Args, 'L'}, State) when is_atom(Module), is_atom(Function), is_list(Args) ->
    {noreply, send_result(Id, run(Module, Function, Args), State)};
take({'C', Id, Module, Function, Args, 'N'}, State) when is_atom(Module), is_atom(Function), is_list(Args) ->
    Pid = spawn_link(fun() -> exit(run(Module, Function, Args)) end),
    {noreply, State#state{calls = (State#state.calls)#{Pid => Id}}};
take({'M', Pid, Message}, State) ->
    Pid ! Message,
    {noreply, State};
take({'P', Text}, State) ->
    ok = io:put_chars(Text),
    {noreply, State};
take(Other, State) ->
    {stop, {invalid_protocol_message, Other}, State}.

settle(Id, Outcome, #state{sent = Sent} = State) ->
    case maps:take(Id, Sent) of
        {{nobody, none}, Left} ->
            {noreply, State#state{sent = Left}};
        {{From, Timer}, Left} ->
            Timer =:= none orelse erlang:cancel_timer(Timer),
            reply(From, Outcome),
            {noreply, State#state{sent = Left}};
        error ->
            {stop, {orphan_response, Outcome}, State}
    end.

reply(nobody, _) -> ok;
reply(From, Outcome) -> gen_server:reply(From, Outcome).

run(Module, Function, Args) ->
    try
        {ok, apply(Module, Function, Args)}
    catch
        error:{Language, Type, _, Trace} = Error when is_atom(Language), is_atom(Type), is_list(Trace) -> {error, Error};
        Class:Reason:Trace -> {error, {erlang, Class, Reason, Trace}}
    end.

%% What Python hears

send_call(Module, Function, Args, Timeout, From, #state{sent = Sent} = State) ->
    Id = case maps:keys(Sent) of [] -> 1; Ids -> lists:max(Ids) + 1 end,
    Timer = case Timeout of infinity -> none; _ -> erlang:send_after(Timeout, self(), {late, Id}) end,
    send({'C', Id, Module, Function, prepare(Args)}, State#state{sent = Sent#{Id => {From, Timer}}}).

send_result(Id, {ok, Result}, State) -> send({'r', Id, prepare(Result)}, State);
send_result(Id, {error, Error}, State) -> send({'e', Id, prepare(Error)}, State);
send_result(Id, Reason, State) -> send({'e', Id, {erlang, undefined, prepare(Reason), []}}, State).

send(Message, #state{port = Port, compressed = Compressed} = State) ->
    port_command(Port, term_to_binary(Message, [{minor_version, 1}, {compressed, Compressed}])),
    State.

prepare(Term) when is_atom(Term); is_number(Term); is_binary(Term); Term =:= [] ->
    Term;
prepare([Head | Tail]) ->
    [prepare(Head) | prepare(Tail)];
prepare(Term) when is_map(Term) ->
    maps:from_list([{prepare(Key), prepare(Value)} || {Key, Value} <- maps:to_list(Term)]);
prepare(Term) when is_tuple(Term) ->
    list_to_tuple(prepare(tuple_to_list(Term)));
prepare(Term) ->
    <<131, Data/binary>> = term_to_binary(Term, [{minor_version, 1}]),
    {'$erlport.opaque', erlang, Data}.
