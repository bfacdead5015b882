%% @doc What a caller is given for what came of its call.
-module(py_answer).

-export([settle/2, fail/2, emit/2]).

-include("py_wire.hrl").
-include("py_server.hrl").

%% @doc The value of an answer, or the error that it is; or what is to be said where none has come.
-spec settle(term(), #choice{}) -> term().
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
settle({timeout, #pending{choice = #choice{timeout = infinity}}}, #choice{on_error = OnError}) ->
    fail(OnError, py_error:make(timeout, "no answer within the time that was waited, and the call was taken back", []));
settle({timeout, #pending{choice = #choice{timeout = Timeout}}}, #choice{on_error = OnError}) ->
    Error = py_error:make(timeout, "no answer within ~b ms, and the bridge did not say why", [Timeout]),
    fail(OnError, Error);
settle({down, Reason}, #choice{on_error = OnError}) ->
    fail(OnError, py_port:lost(Reason)).

%% @doc That a call has failed, as its caller wants to be told.
-spec fail(raise | return, py_error:error()) -> {error, py_error:error()} | no_return().
fail(return, Error) -> {error, Error};
fail(raise, Error) -> error({py_error, Error}).

%% @doc Show what a call has printed.
-spec emit({non_neg_integer(), binary()}, py_call:pending()) -> ok.
emit({Flags, Text}, #pending{server = #server{name = Name}, choice = #choice{output = Output}}) ->
    py_output:emit(Output, Flags, Text, Name).
