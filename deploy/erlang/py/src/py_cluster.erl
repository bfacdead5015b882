%% @doc Python on other nodes, by way of OTP's own distribution: `erpc' carries the calls, `pg' knows who is there.
%%
%% A node that is not there, or goes down while it works, is an error of the calls that it had, with kind `node_down';
%% the others are not affected. When a caller dies, what runs for it on other nodes is stopped.
-module(py_cluster).

-export([start/1, start/2, stop/1, nodes/0]).
-export([call/4, call/5, any/3, any/4, all/3, all/4, map/4]).

-include("py_server.hrl").

-define(PATIENCE, 60_000).

%% @doc Start the application `py' on a node. Where that does not have it, it gets ours.
-spec start(node()) -> ok | {error, term()}.
start(Node) -> start(Node, []).

%% @doc The same with settings (see {@link py_config}). A node on which it runs already is left as it is.
-spec start(node(), [{atom(), term()}]) -> ok | {error, term()}.
start(Node, Settings) ->
    case py_remote:on(Node, code, which, [py]) of
        {ok, non_existing} ->
            case send_code(Node) of
                ok -> start_there(Node, Settings);
                Failed -> Failed
            end;
        {ok, _} ->
            start_there(Node, Settings);
        {error, _} = Failed ->
            Failed
    end.

%% Step by step, by functions of OTP: a fun of ours would not be known where py is another version.
start_there(Node, Settings) ->
    Steps = [{load, [py]}, {set_env, [[{py, Settings}]]}, {ensure_all_started, [py]}],
    Answers = [py_remote:on(Node, application, Function, Arguments) || {Function, Arguments} <- Steps],
    case lists:last(Answers) of
        {ok, {ok, _}} -> ok;
        {ok, {error, Reason}} -> {error, Reason};
        {error, _} = Failed -> Failed
    end.

%% The modules as they are here; nothing is written there.
send_code(Node) ->
    {ok, Keys} = application:get_all_key(py),
    Files = filelib:wildcard("py*.beam", filename:dirname(code:which(py))),
    Modules = [list_to_atom(filename:basename(File, ".beam")) || File <- Files],
    Loads = [
        begin
            {Module, Binary, File} = code:get_object_code(Module),
            py_remote:on(Node, code, load_binary, [Module, File, Binary])
        end
     || Module <- Modules
    ],
    case [Error || {error, Error} <- Loads] of
        [] ->
            case py_remote:on(Node, application, load, [{application, py, Keys}]) of
                {ok, ok} -> ok;
                {ok, {error, {already_loaded, py}}} -> ok;
                {ok, Failed} -> Failed;
                Failed -> Failed
            end;
        [Error | _] ->
            {error, Error}
    end.

%% @doc Stop it there.
-spec stop(node()) -> ok | {error, term()}.
stop(Node) ->
    case py_remote:on(Node, application, stop, [py]) of
        {ok, Answer} -> Answer;
        Failed -> Failed
    end.

%% @doc The nodes on which servers run, this one among them if they run here.
-spec nodes() -> [node()].
nodes() -> lists:usort([node(Pid) || Pid <- pg:get_members(py, servers)]).

%% @doc Call a Python function on a node: as {@link py:func/3}.
-spec call(node(), py:name(), py:name(), [term()]) -> term().
call(Node, Module, Function, Arguments) -> call(Node, Module, Function, Arguments, #{}).

-spec call(node(), py:name(), py:name(), [term()], py_options:options()) -> term().
call(Node, Module, Function, Arguments, Options) ->
    case {py_remote:on_behalf(self(), Node, py, func, [Module, Function, Arguments, raising(Options)]), Options} of
        {{ok, Value}, #{on_error := return}} -> {ok, Value};
        {{ok, Value}, _} -> Value;
        {{error, Error}, #{on_error := return}} -> {error, Error};
        {{error, Error}, _} -> error({py_error, Error})
    end.

raising(Options) when is_map(Options) -> Options#{on_error => raise};
raising(Options) -> py_error:raise(bad_arguments, "options are a map, not ~0tp", [Options]).

%% @doc Call it on any node that has servers.
-spec any(py:name(), py:name(), [term()]) -> term().
any(Module, Function, Arguments) -> any(Module, Function, Arguments, #{}).

-spec any(py:name(), py:name(), [term()], py_options:options()) -> term().
any(Module, Function, Arguments, Options) ->
    case ?MODULE:nodes() of
        [] -> py_error:raise(pool_unavailable, "no node has servers of py", []);
        Nodes -> call(lists:nth(rand:uniform(length(Nodes)), Nodes), Module, Function, Arguments, Options)
    end.

%% @doc Call it on all nodes that have servers: `{Node, {ok, Value}}' or `{Node, {error, Map}}' for each, by name.
-spec all(py:name(), py:name(), [term()]) -> [{node(), {ok, term()} | {error, py_error:error()}}].
all(Module, Function, Arguments) -> all(Module, Function, Arguments, #{}).

-spec all(py:name(), py:name(), [term()], py_options:options()) -> [{node(), {ok, term()} | {error, py_error:error()}}].
all(Module, Function, Arguments, Options) ->
    Self = self(),
    Raising = raising(Options),
    together([
        {Node, fun() -> py_remote:on_behalf(Self, Node, py, func, [Module, Function, Arguments, Raising]) end}
     || Node <- ?MODULE:nodes()
    ]).

%% @doc Call a function with each of many items, on all nodes: `{ok, Value}' or `{error, Map}' for each item, in order.
%%
%% Each node has its share of the items, and works on it as {@link py:pmap/4} does. When a node goes down, its items
%% have failed with `node_down'; with `idempotent => true' among the options the nodes that are left do them.
-spec map(py:name(), py:name(), [term()], map()) -> [{ok, term()} | {error, py_error:error()}].
map(Module, Function, Items, Options) ->
    _ = raising(Options),
    Numbered = lists:enumerate(Items),
    Done = map_on(?MODULE:nodes(), Module, Function, Numbered, Options),
    [Result || {_, Result} <- lists:keysort(1, Done)].

map_on([], _, _, Numbered, _) ->
    Error = py_error:make(node_down, "no node is left that has servers of py", []),
    [{Number, {error, Error}} || {Number, _} <- Numbered];
map_on(Nodes, Module, Function, Numbered, Options) ->
    Share = max(1, (length(Numbered) + length(Nodes) - 1) div length(Nodes)),
    Parts = py_units:chunks(Numbered, Share),
    Shares = lists:zip(lists:sublist(Nodes, length(Parts)), Parts),
    Self = self(),
    Collecting = (maps:without([idempotent], Options))#{errors => collect, order => input},
    Answers = together([
        {{Node, Some}, fun() ->
            Items = [Item || {_, Item} <- Some],
            py_remote:on_behalf(Self, Node, py, pmap, [Module, Function, Items, Collecting])
        end}
     || {Node, Some} <- Shares
    ]),
    lists:append([
        case Answer of
            {ok, Results} ->
                lists:zip([Number || {Number, _} <- Some], Results);
            {error, #{kind := node_down}} when map_get(idempotent, Options) ->
                map_on(lists:delete(Node, ?MODULE:nodes()), Module, Function, Some, Options);
            {error, Error} ->
                [{Number, {error, Error}} || {Number, _} <- Some]
        end
     || {{Node, Some}, Answer} <- Answers
    ]).

%% Each fun in a process of its own; what they gave, in order.
together(Funs) ->
    Leader = group_leader(),
    Self = self(),
    Workers = [
        {Key, spawn_monitor(fun() ->
            _ = group_leader(Leader, self()),
            Self ! {self(), Fun()}
        end)}
     || {Key, Fun} <- Funs
    ],
    [
        receive
            {Pid, Value} ->
                _ = demonitor(Monitor, [flush]),
                {Key, Value};
            {'DOWN', Monitor, process, Pid, Reason} ->
                {Key, {error, py_error:make(erlang, "~0tp", [Reason])}}
        end
     || {Key, {Pid, Monitor}} <- Workers
    ].
