%% @doc Calls about objects that live on another node.
%%
%% OTP's own distribution carries them: `erpc' runs the call there, for this caller. When the node is gone, so are its
%% objects: `handle_lost'.
-module(py_remote).

-export([run/3, on/4]).

%% @doc `py_call:run' on another node, for an object of that node.
-spec run(node(), [term()], py_options:options()) -> term().
run(Node, Arguments, Options) ->
    case on(Node, py_call, run, Arguments) of
        {ok, Value} ->
            Value;
        {error, #{kind := node_down}} ->
            Format = "this handle's object was on node ~ts, which is down",
            failed(py_error:make(handle_lost, Format, [Node]), Options);
        {error, Error} ->
            failed(Error, Options)
    end.

failed(Error, #{on_error := return}) -> {error, Error};
failed(Error, _) -> error({py_error, Error}).

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
