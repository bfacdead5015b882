%% @doc Call Python.
%%
%% ```
%% 1> application:ensure_all_started(py).
%% {ok,[py]}
%% 2> py:func(math, pow, [2, 16]).
%% 65536.0
%% 3> Range = py:range(7, 42).
%% {py_handle,<<"bsc...">>,<<"range">>}
%% 4> py:len(Range).
%% 35
%% '''
%%
%% <h3>Names, arguments, options</h3>
%%
%% A name is an atom or a binary: ``py:func('os.path', isdir, [<<"/tmp">>])'', or dotted:
%% ``py:func('os.path.isdir', [<<"/tmp">>])''. Positional arguments are a list, keyword arguments after it a proplist:
%% `[{base, 2}]'. A map as the last argument is always the options of the call (see {@link py_options}); so keyword
%% arguments may be a map where options follow.
%%
%% <h3>Values</h3>
%%
%% Integers, floats, lists, tuples, `true', `false' and `undefined' (None) are themselves. A str comes as a charlist,
%% bytes as a binary; a binary that goes in is text, `{bytes, Binary}' bytes. A dict is `{"dict", [{Key, Value}]}', a
%% date `{"date", {1923, 4, 2}}', and so on; such tuples may go back in and be the object of a method, an attribute or
%% an operator. What can't travel faithfully stays in its worker, and a handle `{py_handle, Token, Type}' stands for
%% it: changes to the object are seen through it, until {@link release/1} or the end of the server or its worker.
%%
%% <h3>Errors</h3>
%%
%% A call that fails raises `error:{py_error, Map}' (see {@link py_error}), or returns `{error, Map}' with
%% `#{on_error => return}'.
-module(py).

-compile({no_auto_import, [abs/1, demonitor/1, float/1, max/2, min/2, round/1]}).

%% The application and its servers
-export([start/0, start_link/0, start_link/1, stop/0, restart/0, status/0, status/1, workers/0, workers/1]).
-export([add_server/1, add_server/2, remove_server/1, restart_server/1, restart_workers/0, rolling_restart/0]).
-export(['add-server'/1, 'add-server'/2, 'remove-server'/1, 'get-sup-pid'/0, 'get-python-pids'/0, 'on-startworker'/1]).
%% Calls that are not waited for
-export([async/1, async/2, async/3, async/4, async/5, async_method/2, async_method/3, async_method/4, async_method/5]).
-export([await/1, await/2, await_all/1, yield/1, yield/2, cancel/1]).
-export([cast/1, cast/2, cast/3, cast/4, cast/5, cast_method/2, cast_method/3, cast_method/4, cast_method/5]).
-export([message/1, message/2]).
%% Streams
-export([stream/1, stream/2, stream/3, stream/4, stream/5, iterate/1, iterate/2]).
%% Many calls at once
-export([map/4, pmap/3, pmap/4, pmethod/2, pmethod/3, scatter/1, scatter/2, gather/1, identical/2, identical/3, reduce/3, reduce/4]).
%% Handles
-export([monitor/1, demonitor/1]).
%% Functions, classes, constants
-export([func/1, func/2, func/3, func/4, func/5, init/1, init/2, init/3, init/4, init/5]).
-export([const/1, const/2, const/3, const/4]).
%% Objects
-export([method/2, method/3, method/4, method/5, call/1, call/2, call/3, call/4]).
-export([attr/2, attr/3, setattr/3, setattr/4, delattr/2, delattr/3]).
-export([describe/1, describe/2, release/1, release/2]).
%% Operators: see py_operators.hrl
-export([operator/2, operator/3]).
-export([
    lt/2, lt/3, le/2, le/3, eq/2, eq/3, ne/2, ne/3, ge/2, ge/3, gt/2, gt/3, is_/2, is_/3, is_not/2, is_not/3,
    add/2, add/3, floordiv/2, floordiv/3, mod/2, mod/3, mul/2, mul/3, matmul/2, matmul/3, sub/2, sub/3,
    truediv/2, truediv/3, and_/2, and_/3, or_/2, or_/3, 'xor'/2, 'xor'/3, lshift/2, lshift/3, rshift/2, rshift/3,
    concat/2, concat/3, contains/2, contains/3, countOf/2, countOf/3, indexOf/2, indexOf/3, getitem/2, getitem/3,
    delitem/2, delitem/3, iadd/2, iadd/3, iand/2, iand/3, iconcat/2, iconcat/3, ifloordiv/2, ifloordiv/3,
    ilshift/2, ilshift/3, imatmul/2, imatmul/3, imod/2, imod/3, imul/2, imul/3, ior/2, ior/3, ipow/2, ipow/3,
    irshift/2, irshift/3, isub/2, isub/3, itruediv/2, itruediv/3, ixor/2, ixor/3, not_/1, not_/2, truth/1, truth/2,
    neg/1, neg/2, pos/1, pos/2, index/1, index/2, inv/1, inv/2, invert/1, invert/2, 'and-'/2, 'or-'/2, 'not-'/1,
    'is-'/2, 'is-not'/2
]).
-export([length_hint/1, length_hint/2, attrgetter/1, itemgetter/1, methodcaller/1, methodcaller/2]).
%% Builtins: see py_builtins.hrl
-export([builtin/1, builtin/2, builtin/3, builtin/4]).
-export([
    abs/1, all/1, any/1, ascii/1, bin/1, bool/0, bool/1, bytearray/0, bytearray/1, bytearray/2, bytearray/3, bytes/0,
    bytes/1, bytes/2, bytes/3, callable/1, chr/1, compile/3, complex/0, complex/1, complex/2, divmod/2, enumerate/1,
    enumerate/2, file/1, file/2, file/3, filter/2, float/0, float/1, format/1, format/2, frozenset/0, frozenset/1, getattr/2, getattr/3,
    globals/0, hasattr/2, hash/1, help/0, help/1, hex/1, id/1, int/0, int/1, isinstance/2, issubclass/2, iter/1, iter/2,
    len/1, locals/0, map/2, map/3, max/1, max/2, max/3, max/4, memoryview/1, min/1, min/2, min/3, min/4, next/1, next/2,
    object/0, oct/1, open/1, ord/1, pow/2, pow/3, print/0, print/1, range/1, range/2, range/3, repr/1, reversed/1,
    round/1, round/2, set/0, set/1, slice/1, slice/2, slice/3, sorted/1, str/0, str/1, sum/1, sum/2, super/0, super/1,
    super/2, tuple/0, tuple/1, type/1, type/3, zip/1, zip/2, zip/3
]).
-export([compile/4, dict/0, dict/1, dir/0, dir/1, int/2, open/2, pdir/0, pdir/1, print/2, property/1]).
-export([ptype/1, prepr/1]).
-export([setitem/3, setitem/4]).
-export([pvars/0, pvars/1, pylist/0, pylist/1, sorted/2, sorted/3, str/2, vars/0, vars/1]).
%% ErlPort's way
-export([pycall/2, pycall/3]).

-export_type([name/0, handle/0, keywords/0, options/0]).

-include("py_wire.hrl").

-type name() :: atom() | binary() | string().
-type keywords() :: [{name(), term()} | atom()] | #{name() => term()}.
-type options() :: py_options:options().
-type handle() :: {py_handle, Token :: binary(), Type :: binary()}.

%% @doc Start the application and what it needs.
-spec start() -> {ok, [atom()]} | {error, term()}.
start() -> application:ensure_all_started(py).

-spec stop() -> ok | {error, term()}.
stop() -> application:stop(py).

%% @doc The application again from the beginning, with the settings that it has now. See {@link rolling_restart/0} for
%% one that loses no call.
-spec restart() -> {ok, [atom()]} | {error, term()}.
restart() ->
    _ = stop(),
    start().

%% @doc The supervisor of all servers, for a supervision tree of your own that takes the place of the application.
-spec start_link() -> supervisor:startlink_ret() | {error, term()}.
start_link() -> 'py-sup':start_link().

%% @doc A server more. LFE py has this beside {@link add_server/1}.
-spec start_link(atom()) -> {ok, pid()} | {error, term()}.
start_link(Name) -> add_server(Name).

%% @doc Start another server, a port program with its Python workers: see {@link py_fleet}.
-spec add_server(atom()) -> {ok, pid()} | {error, term()}.
add_server(Name) -> py_fleet:add(Name).

%% @doc The same, with other settings than the application's.
-spec add_server(atom(), [{atom(), term()}] | map()) -> {ok, pid()} | {error, term()}.
add_server(Name, Settings) -> py_fleet:add(Name, Settings).

%% @doc Let a server finish what it has, and stop it.
-spec remove_server(atom()) -> ok | {error, term()}.
remove_server(Name) -> py_fleet:remove(Name).

%% @doc Replace a server's port program by a new one, without losing a call.
-spec restart_server(atom()) -> ok | {error, term()}.
restart_server(Name) -> py_fleet:restart(Name).

%% @doc Replace all servers' port programs, one after the other, without losing a call.
-spec rolling_restart() -> ok | {error, term()}.
rolling_restart() -> py_fleet:restart_all().

%% @doc Replace the Python workers of all servers, without losing a call; the port programs stay.
-spec restart_workers() -> ok.
restart_workers() -> lists:foreach(fun py_fleet:restart_workers/1, py_servers:names()).

%% @doc The Python workers of the server `default': slot, incarnation, pid of the operating system, state.
-spec workers() -> [map()].
workers() -> workers(default).

-spec workers(atom()) -> [map()].
workers(Server) -> py_fleet:workers(Server).

'add-server'(Name) -> add_server(Name).
'add-server'(Name, Settings) -> add_server(Name, Settings).
'remove-server'(Name) -> remove_server(Name).

'get-sup-pid'() -> whereis(py_sup).

'get-python-pids'() -> py_sched:pids().

%% @doc There is nothing left to set up in a worker that has started; a setting may name another function.
-spec 'on-startworker'(pid()) -> ok.
'on-startworker'(_Server) -> ok.

%% @doc What the bridge has to tell of itself: its pools, workers and calls, as maps with binary keys.
-spec status() -> map().
status() -> status(#{}).

-spec status(options()) -> map() | {ok, map()} | {error, py_error:error()}.
status(Options) -> py_call:ask(#{<<"op">> => <<"status">>}, Options).

%% @doc Call a function: `func(Module, Function)' and then, each optional, arguments, keyword arguments, options; or the
%% same with a dotted name in the place of the first two.
-spec func(name()) -> term().
func(A) -> py_written:run(?OP_CALL, [A]).
func(A, B) -> py_written:run(?OP_CALL, [A, B]).
func(A, B, C) -> py_written:run(?OP_CALL, [A, B, C]).
func(A, B, C, D) -> py_written:run(?OP_CALL, [A, B, C, D]).
func(A, B, C, D, E) -> py_written:run(?OP_CALL, [A, B, C, D, E]).

%% @doc Begin a call, written as for {@link func/2}; its answer is taken by {@link await/1} or {@link yield/1}.
-spec async(name()) -> py_async:future().
async(A) -> py_written:start([A]).
async(A, B) -> py_written:start([A, B]).
async(A, B, C) -> py_written:start([A, B, C]).
async(A, B, C, D) -> py_written:start([A, B, C, D]).
async(A, B, C, D, E) -> py_written:start([A, B, C, D, E]).

%% @doc The same with a method, written as for {@link method/2}.
-spec async_method(term(), name()) -> py_async:future().
async_method(Object, Name) -> py_written:start_method(Object, Name, []).
async_method(Object, Name, A) -> py_written:start_method(Object, Name, [A]).
async_method(Object, Name, A, B) -> py_written:start_method(Object, Name, [A, B]).
async_method(Object, Name, A, B, C) -> py_written:start_method(Object, Name, [A, B, C]).

%% @doc What came of a call that was begun: see {@link py_async}.
-spec await(py_async:future()) -> term().
await(Future) -> py_async:await(Future).

-spec await(py_async:future(), timeout()) -> term().
await(Future, Patience) -> py_async:await(Future, Patience).

-spec await_all([py_async:future()]) -> [term()].
await_all(Futures) -> py_async:await_all(Futures).

%% @doc `{value, What}' if it is there, else `timeout'.
-spec yield(py_async:future()) -> {value, term()} | timeout.
yield(Future) -> py_async:yield(Future).

-spec yield(py_async:future(), timeout()) -> {value, term()} | timeout.
yield(Future, Patience) -> py_async:yield(Future, Patience).

%% @doc Take a call back that was begun.
-spec cancel(py_async:future()) -> ok.
cancel(Future) -> py_async:cancel(Future).

%% @doc Call a function, written as for {@link func/2}, and do not wait: nobody hears what comes of it.
-spec cast(name()) -> ok | {error, py_error:error()}.
cast(A) -> py_written:cast([A]).
cast(A, B) -> py_written:cast([A, B]).
cast(A, B, C) -> py_written:cast([A, B, C]).
cast(A, B, C, D) -> py_written:cast([A, B, C, D]).
cast(A, B, C, D, E) -> py_written:cast([A, B, C, D, E]).

%% @doc The same with a method.
-spec cast_method(term(), name()) -> ok | {error, py_error:error()}.
cast_method(Object, Name) -> py_written:cast_method(Object, Name, []).
cast_method(Object, Name, A) -> py_written:cast_method(Object, Name, [A]).
cast_method(Object, Name, A, B) -> py_written:cast_method(Object, Name, [A, B]).
cast_method(Object, Name, A, B, C) -> py_written:cast_method(Object, Name, [A, B, C]).

%% @doc Give a message to the handler that Python code has set in a worker: `erlang.set_message_handler(handler)'. Which
%% worker is a matter of the options `server' and `worker'; where all have a handler, any will do.
-spec message(term()) -> ok | {error, py_error:error()}.
message(Message) -> message(Message, #{}).

-spec message(term(), options()) -> ok | {error, py_error:error()}.
message(Message, Options) ->
    py_call:cast(?OP_CALL, <<"bascule.workers.erlang:deliver">>, none, {[Message], []}, Options).

%% @doc The values of the iterator that a call gives, written as for {@link func/2}: see {@link py_stream}.
-spec stream(name()) -> py_stream:stream().
stream(A) -> py_written:stream([A]).
stream(A, B) -> py_written:stream([A, B]).
stream(A, B, C) -> py_written:stream([A, B, C]).
stream(A, B, C, D) -> py_written:stream([A, B, C, D]).
stream(A, B, C, D, E) -> py_written:stream([A, B, C, D, E]).

%% @doc The same for an object that can be iterated.
-spec iterate(term()) -> py_stream:stream().
iterate(Object) -> iterate(Object, #{}).

-spec iterate(term(), options()) -> py_stream:stream().
iterate(Object, Options) -> py_stream:open(iterate, {object, Object}, {[], []}, Options).

%% @doc Call a function with each item, in order, one after the other. (With two or three arguments `map' is Python's.)
-spec map(name(), name(), py_units:items(), map()) -> term().
map(Module, Function, Items, Options) -> py_scatter:map(Module, Function, Items, Options).

%% @doc Call a function with each item, in parallel: see {@link py_scatter}.
-spec pmap(name(), name(), py_units:items()) -> term().
pmap(Module, Function, Items) -> pmap(Module, Function, Items, #{}).

-spec pmap(name(), name(), py_units:items(), map()) -> term().
pmap(Module, Function, Items, Options) -> py_scatter:pmap(Module, Function, Items, Options).

%% @doc Call a method of many objects, each where it lives: `Name', or `{Name, Arguments}'. See {@link py_scatter}.
-spec pmethod(py_units:items(), name() | {name(), [term()]}) -> term().
pmethod(Handles, Method) -> pmethod(Handles, Method, #{}).

-spec pmethod(py_units:items(), name() | {name(), [term()]}, map()) -> term().
pmethod(Handles, Method, Options) -> py_scatter:pmethod(Handles, Method, Options).

%% @doc Calls to be made together by {@link gather/1}: `{Module, Function, Arguments}', and keywords if need be.
-spec scatter(py_units:items()) -> py_scatter:job().
scatter(Calls) -> scatter(Calls, #{}).

-spec scatter(py_units:items(), map()) -> py_scatter:job().
scatter(Calls, Options) -> py_scatter:scatter(Calls, Options).

%% @doc Make them, and wait for their results.
-spec gather(py_scatter:job()) -> term().
gather(Job) -> py_scatter:gather(Job).

%% @doc The same call on so many Python workers, or on `all': the results in the order of the workers.
-spec identical(py_scatter:place(), py_scatter:call()) -> [term()].
identical(Place, Call) -> identical(Place, Call, #{}).

-spec identical(py_scatter:place(), py_scatter:call(), map()) -> [term()].
identical(Place, Call, Options) -> py_scatter:identical(Place, Call, Options).

%% @doc Reduce items in the Python workers, with an associative function of two: see {@link py_reduce:reduce/4}.
-spec reduce(name(), name(), [term()]) -> term().
reduce(Module, Function, Items) -> reduce(Module, Function, Items, #{}).

-spec reduce(name(), name(), [term()], map()) -> term().
reduce(Module, Function, Items, Options) -> py_reduce:reduce(Module, Function, Items, Options).

%% @doc Be told by `{py_down, Handle, Reason}' when the object behind a handle is gone: see {@link py_monitor}.
-spec monitor(handle()) -> py_monitor:ref().
monitor(Handle) -> py_monitor:monitor(Handle).

%% @doc End that.
-spec demonitor(py_monitor:ref()) -> ok.
demonitor(Monitor) -> py_monitor:demonitor(Monitor).

%% @doc Make an instance of a class, named as in {@link func/2}.
-spec init(name()) -> term().
init(A) -> py_written:run(?OP_INIT, [A]).
init(A, B) -> py_written:run(?OP_INIT, [A, B]).
init(A, B, C) -> py_written:run(?OP_INIT, [A, B, C]).
init(A, B, C, D) -> py_written:run(?OP_INIT, [A, B, C, D]).
init(A, B, C, D, E) -> py_written:run(?OP_INIT, [A, B, C, D, E]).

%% @doc The value of a name in a module, or of a dotted name.
-spec const(name()) -> term().
const(Dotted) -> constant(py_wire:target(Dotted), [], #{}).

-spec const(name(), name() | options()) -> term().
const(Dotted, Options) when is_map(Options) -> constant(py_wire:target(Dotted), [], Options);
const(Module, Name) -> constant(py_wire:target(Module, Name), [], #{}).

%% @doc The same, converted to a type: `const(math, pi, int)' is 3.
-spec const(name(), name(), name() | options()) -> term().
const(Module, Name, Options) when is_map(Options) -> constant(py_wire:target(Module, Name), [], Options);
const(Module, Name, Type) -> const(Module, Name, Type, #{}).

-spec const(name(), name(), name(), options()) -> term().
const(Module, Name, Type, Options) ->
    {Target, Arguments} = py_wire:converted(py_wire:target(Module, Name), Type),
    constant(Target, Arguments, Options).

constant(Target, Arguments, Options) -> py_call:run(?OP_CONST, Target, none, {Arguments, []}, Options).

%% @doc Call a method of an object (a handle or a value), then as in {@link func/2}.
-spec method(term(), name()) -> term().
method(Object, Name) -> py_written:method(Object, Name, []).
method(Object, Name, A) -> py_written:method(Object, Name, [A]).
method(Object, Name, A, B) -> py_written:method(Object, Name, [A, B]).
method(Object, Name, A, B, C) -> py_written:method(Object, Name, [A, B, C]).

%% @doc Call an object that can be called (a function, a class, a bound method) or, given a name, that function.
-spec call(term()) -> term().
call(Callable) -> py_written:call(Callable, []).
call(Callable, A) -> py_written:call(Callable, [A]).
call(Callable, A, B) -> py_written:call(Callable, [A, B]).
call(Callable, A, B, C) -> py_written:call(Callable, [A, B, C]).

%% @doc An attribute of an object (a handle or a value).
-spec attr(term(), name()) -> term().
attr(Object, Name) -> attr(Object, Name, #{}).

-spec attr(term(), name(), options()) -> term().
attr(Object, Name, Options) ->
    py_call:run(?OP_GETATTR, py_wire:target(Name), {object, Object}, {[], []}, Options).

-spec setattr(handle(), name(), term()) -> term().
setattr(Object, Name, Value) -> setattr(Object, Name, Value, #{}).

-spec setattr(handle(), name(), term(), options()) -> term().
setattr(Object, Name, Value, Options) ->
    py_call:run(?OP_SETATTR, py_wire:target(Name), {object, Object}, {[Value], []}, Options).

-spec delattr(handle(), name()) -> term().
delattr(Object, Name) -> delattr(Object, Name, #{}).

-spec delattr(handle(), name(), options()) -> term().
delattr(Object, Name, Options) ->
    py_call:run(?OP_DELATTR, py_wire:target(Name), {object, Object}, {[], []}, Options).

%% @doc What an object is: a map with `type', `module', `repr' and, where that is cheap, `size'.
-spec describe(term()) -> map() | {ok, map()} | {error, py_error:error()}.
describe(Object) -> describe(Object, #{}).

-spec describe(term(), options()) -> map() | {ok, map()} | {error, py_error:error()}.
describe(Object, Options) ->
    Readable = Options#{strings => binary, maps => true},
    case py_call:run(?OP_DESCRIBE, <<>>, {object, Object}, {[], []}, Readable) of
        {ok, Description} -> {ok, py_error:keyed(Description)};
        {error, Error} -> {error, Error};
        Description -> py_error:keyed(Description)
    end.

%% @doc Let go of the object behind a handle, or behind each of a list. Who uses the handle later gets `handle_lost'.
-spec release(handle() | [handle()]) -> ok.
release(Handles) -> release(Handles, #{}).

-spec release(handle() | [handle()], options()) -> ok.
release(Handles, Options) when is_list(Handles) ->
    py_call:release(Handles, Options);
release(Handle, Options) ->
    release([Handle], Options).

%% ErlPort's way: binaries among the arguments are bytes.

-spec pycall(name(), name()) -> term().
pycall(Module, Function) -> pycall(Module, Function, []).

-spec pycall(name(), name(), [term()]) -> term().
pycall(Module, Function, Arguments) ->
    py_call:run(?OP_CALL, py_wire:target(Module, Function), none, {Arguments, []}, #{binaries => bytes}).

-include("py_operators.hrl").
-include("py_builtins.hrl").
