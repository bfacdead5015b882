%% @doc Answers what Python code asks this node while it runs.
%%
%% `erlang.call("lists", "sum", [[1, 2, 3]])' in Python comes here as a frame; the function is called in a process of
%% its own, whose end is the answer. That process has the group leader of the caller, calls Python again as any other
%% (its calls run, if need be, in the very worker that waits for it), and is killed when nobody waits for it any more:
%% its call was cancelled, or its caller died.
%%
%% Messages that Python sends are sent from here, so they keep the order in which they were sent.
%%
%% Names come as text. Atoms are made only of names of modules that can be loaded and functions that they export, so no
%% name that Python thinks up fills the atom table. The setting `callbacks' says what may be called.
-module(py_callback).
-behaviour(gen_server).

-export([start_link/2, caller/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-export_type([policy/0]).

-include("py_wire.hrl").
-include("py_server.hrl").

-type policy() :: all | none | [module() | {module(), atom()}] | fun((module(), atom(), [term()]) -> boolean()).

-define(MOST_TEXT, 4000).

-record(state, {
    name :: atom(),
    policy :: policy(),
    %% number of a callback => who answers it, and back
    running = #{} :: #{non_neg_integer() => pid()},
    numbers = #{} :: #{pid() => non_neg_integer()}
}).

-spec start_link(atom(), policy()) -> gen_server:start_ret().
start_link(Name, Policy) ->
    gen_server:start_link(?MODULE, {Name, Policy}, []).

%% @doc In a function that Python calls: the process whose call of Python that was, `undefined' if it was none's.
-spec caller() -> pid() | undefined.
caller() -> get('$py_caller').

init({Name, Policy}) ->
    _ = process_flag(message_queue_data, off_heap),
    true = ets:insert(py_servers, {callbacks, {callbacks, Name}, self()}),
    {ok, #state{name = Name, policy = Policy}}.

handle_call(_, _From, State) ->
    {reply, {error, unknown_request}, State}.

handle_cast(_, State) ->
    {noreply, State}.

handle_info({callback, Port, Owner, Caller, Flags, <<Number:64/little, Body/binary>>}, #state{} = State) ->
    Answer =
        case Flags band ?CAST of
            0 -> Number;
            _ -> none
        end,
    case read(Body) of
        {send, To, Message} ->
            reply_later(Port, Answer, attempt(fun() -> To ! Message end)),
            {noreply, State};
        {self} ->
            reply_later(Port, Answer, {ok, Caller}),
            {noreply, State};
        {apply, What, Arguments} ->
            Where = {State#state.name, Owner, Number},
            Policy = State#state.policy,
            {Pid, _} = spawn_monitor(fun() -> answer(Port, Where, Answer, Caller, Policy, What, Arguments) end),
            {noreply, State#state{
                running = (State#state.running)#{Number => Pid}, numbers = (State#state.numbers)#{Pid => Number}
            }};
        {unreadable, Why} ->
            reply_later(Port, Answer, {failed, told(unreadable, Why)}),
            {noreply, State}
    end;
handle_info({withdrawn, Number}, #state{running = Running} = State) ->
    case Running of
        #{Number := Pid} -> exit(Pid, kill);
        _ -> true
    end,
    {noreply, State};
handle_info({'DOWN', _, process, Pid, Reason}, #state{running = Running, numbers = Numbers} = State) ->
    {Number, Left} = maps:take(Pid, Numbers),
    case Reason of
        normal -> ok;
        _ -> failed_without_a_word(State#state.name, Number, Reason)
    end,
    {noreply, State#state{running = maps:remove(Number, Running), numbers = Left}};
handle_info(_, State) ->
    {noreply, State}.

%% Whoever answered was killed, or exited past all that could be caught.
failed_without_a_word(Name, Number, Reason) ->
    case ets:lookup(py_servers, Name) of
        [#server{port = Port}] when is_port(Port) -> reply_later(Port, Number, {failed, told(exit, Reason)});
        _ -> ok
    end.

%% `[What, Arguments]': a text `module:function' or a fun, or one of a few words.
read(Body) ->
    try binary_to_term(Body, [safe]) of
        [What, Arguments] when is_list(Arguments) -> asked(What, Arguments);
        _ -> {unreadable, "a callback is [What, Arguments]"}
    catch
        error:badarg -> {unreadable, "it has an atom, or a fun, that this node does not know"}
    end.

asked(Fun, Arguments) when is_function(Fun) -> {apply, Fun, Arguments};
asked(Text, Arguments) ->
    case {py_error:text(Text), Arguments} of
        {<<"self">>, []} -> {self};
        {<<"send">>, [To, Message]} -> sent_to(To, Message);
        {Name, _} when is_binary(Name) -> {apply, Name, Arguments};
        _ -> {unreadable, "what is called is a text, module:function, or a fun"}
    end.

sent_to(To, Message) when is_pid(To); is_port(To); is_atom(To); is_reference(To) -> {send, To, Message};
sent_to({Name, Node}, Message) ->
    case {registered_name(Name), registered_name(Node)} of
        {{ok, Known}, {ok, There}} -> {send, {Known, There}, Message};
        _ -> {unreadable, "there is no such name"}
    end;
sent_to(Name, Message) ->
    case registered_name(Name) of
        {ok, Known} -> {send, Known, Message};
        error -> {unreadable, io_lib:format("no process is registered as ~0tp", [Name])}
    end.

registered_name(Name) when is_atom(Name) -> {ok, Name};
registered_name(Name) ->
    try
        {ok, binary_to_existing_atom(py_error:text(Name))}
    catch
        error:_ -> error
    end.

answer(Port, Where, Answer, Caller, Policy, What, Arguments) ->
    _ = put(?NESTED_IN, Where),
    _ = put('$py_caller', Caller),
    _ = is_pid(Caller) andalso put('$callers', [Caller]),
    adopt_group_leader(Caller),
    reply(Port, Answer, attempt(fun() -> call(What, Arguments, Policy) end)).

%% What the function prints is seen where the caller's own is.
adopt_group_leader(Caller) when is_pid(Caller), node(Caller) =:= node() ->
    case process_info(Caller, group_leader) of
        {group_leader, Leader} -> group_leader(Leader, self());
        undefined -> true
    end;
adopt_group_leader(_) ->
    true.

call(Fun, Arguments, none) when is_function(Fun) -> denied(Fun, Arguments);
call(Fun, Arguments, _) when is_function(Fun) -> apply(Fun, Arguments);
call(Name, Arguments, Policy) ->
    {Module, Function} = function_named(Name, length(Arguments)),
    case allowed(Policy, Module, Function, Arguments) of
        true -> apply(Module, Function, Arguments);
        false -> denied(Name, Arguments)
    end.

-spec denied(term(), [term()]) -> no_return().
denied(What, Arguments) ->
    error({py_denied, What, length(Arguments)}).

allowed(all, _, _, _) -> true;
allowed(none, _, _, _) -> false;
allowed(Policy, Module, Function, Arguments) when is_function(Policy, 3) -> Policy(Module, Function, Arguments);
allowed(Policy, Module, Function, _) -> lists:member(Module, Policy) orelse lists:member({Module, Function}, Policy).

%% Atoms of what there is.
function_named(Text, Arity) ->
    {Module, FunctionText} =
        case binary:split(Text, <<":">>) of
            [Before, After] -> {loaded(Before), After};
            [Name] -> {erlang, Name}
        end,
    try binary_to_existing_atom(FunctionText) of
        Function ->
            case erlang:function_exported(Module, Function, Arity) orelse erlang:is_builtin(Module, Function, Arity) of
                true -> {Module, Function};
                false -> error({py_undefined, Text, Arity})
            end
    catch
        error:badarg -> error({py_undefined, Text, Arity})
    end.

%% A module that was never loaded may have a name that is no atom yet: its file must be there then.
loaded(Text) ->
    Known =
        try
            binary_to_existing_atom(Text)
        catch
            error:badarg ->
                case code:where_is_file(unicode:characters_to_list(Text) ++ ".beam") of
                    non_existing -> error({py_undefined, Text, module});
                    _ -> binary_to_atom(Text)
                end
        end,
    _ = code:ensure_loaded(Known),
    Known.

attempt(Fun) ->
    try
        {ok, Fun()}
    catch
        error:{py_error, Error} -> {failed, Error};
        error:{py_undefined, Name, module} -> {failed, told(undef, ["there is no module ", Name])};
        error:{py_undefined, Name, Arity} ->
            {failed, told(undef, io_lib:format("there is no function ~ts/~b", [Name, Arity]))};
        error:{py_denied, What, _} ->
            Format = "the setting callbacks of the application py does not allow ~0tp",
            {failed, (told(denied, io_lib:format(Format, [What])))#{kind => denied}};
        Class:Reason:Stack ->
            Error = told(Class, io_lib:format("~0tp", [Reason])),
            {failed, Error#{notes => [limited(io_lib:format("~0tp", [Frame])) || Frame <- lists:sublist(Stack, 8)]}}
    end.

told(Class, Message) when is_list(Message); is_binary(Message) ->
    Empty = py_error:make(erlang, "", []),
    Empty#{class => atom_to_binary(Class), message => limited(Message)};
told(Class, Reason) ->
    told(Class, io_lib:format("~0tp", [Reason])).

limited(Text) ->
    unicode:characters_to_binary(string:slice(unicode:characters_to_list(Text), 0, ?MOST_TEXT)).

%% Not in the process that must not be held up by a busy port.
reply_later(_, none, _) -> ok;
reply_later(Port, Number, Outcome) ->
    _ = spawn(fun() -> reply(Port, Number, Outcome) end),
    ok.

reply(_, none, _) -> true;
reply(Port, Number, {ok, Value}) -> py_call:write(Port, py_wire:reply(Number, Value));
reply(Port, Number, {failed, Error}) -> py_call:write(Port, py_wire:failure(Number, Error)).
