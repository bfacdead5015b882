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

-compile({no_auto_import, [abs/1, float/1, max/2, min/2, round/1]}).

%% The application
-export([start/0, stop/0, status/0, status/1]).
%% Functions, classes, constants
-export([func/1, func/2, func/3, func/4, func/5, init/1, init/2, init/3, init/4, init/5]).
-export([const/1, const/2, const/3, const/4]).
%% Objects
-export([method/2, method/3, method/4, method/5, call/1, call/2, call/3, call/4]).
-export([attr/2, attr/3, setattr/3, setattr/4, delattr/2, delattr/3]).
-export([describe/1, describe/2, release/1, release/2]).
%% Operators
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
-export([setitem/3, setitem/4]).
%% Builtins
-export([builtin/1, builtin/2, builtin/3, builtin/4]).
-export([
    abs/1, all/1, any/1, ascii/1, bin/1, bool/0, bool/1, bytearray/0, bytearray/1, bytearray/2, bytearray/3, bytes/0,
    bytes/1, bytes/2, bytes/3, callable/1, chr/1, compile/3, complex/0, complex/1, complex/2, divmod/2, enumerate/1,
    enumerate/2, filter/2, float/0, float/1, format/1, format/2, frozenset/0, frozenset/1, getattr/2, getattr/3,
    globals/0, hasattr/2, hash/1, help/0, help/1, hex/1, id/1, int/0, int/1, isinstance/2, issubclass/2, iter/1, iter/2,
    len/1, locals/0, map/2, map/3, max/1, max/2, max/3, max/4, memoryview/1, min/1, min/2, min/3, min/4, next/1, next/2,
    object/0, oct/1, open/1, ord/1, pow/2, pow/3, print/0, print/1, range/1, range/2, range/3, repr/1, reversed/1,
    round/1, round/2, set/0, set/1, slice/1, slice/2, slice/3, sorted/1, str/0, str/1, sum/1, sum/2, super/0, super/1,
    super/2, tuple/0, tuple/1, type/1, type/3, zip/1, zip/2, zip/3
]).
-export([compile/4, dict/0, dict/1, dir/0, dir/1, int/2, open/2, pdir/0, pdir/1, print/2, property/1]).
-export([pvars/0, pvars/1, pylist/0, pylist/1, sorted/2, sorted/3, str/2, vars/0, vars/1]).
%% ErlPort's way
-export([pycall/2, pycall/3]).

-export_type([name/0, handle/0, keywords/0, options/0]).

-include("py_wire.hrl").

%% `dir' and `vars' show this many entries, `pdir' and `pvars' all.
-define(SHOWN, 28).

-type name() :: atom() | binary() | string().
-type keywords() :: [{name(), term()} | atom()] | #{name() => term()}.
-type options() :: py_options:options().
-type handle() :: {py_handle, Token :: binary(), Type :: binary()}.

%% @doc Start the application and what it needs.
-spec start() -> {ok, [atom()]} | {error, term()}.
start() -> application:ensure_all_started(py).

-spec stop() -> ok | {error, term()}.
stop() -> application:stop(py).

%% @doc What the bridge has to tell of itself: its pools, workers and calls, as maps with binary keys.
-spec status() -> map().
status() -> status(#{}).

-spec status(options()) -> map() | {ok, map()} | {error, py_error:error()}.
status(Options) -> py_call:ask(#{<<"op">> => <<"status">>}, Options).

%% @doc Call a function: `func(Module, Function)' and then, each optional, arguments, keyword arguments, options; or the
%% same with a dotted name in the place of the first two.
-spec func(name()) -> term().
func(A) -> named(?OP_CALL, [A]).
func(A, B) -> named(?OP_CALL, [A, B]).
func(A, B, C) -> named(?OP_CALL, [A, B, C]).
func(A, B, C, D) -> named(?OP_CALL, [A, B, C, D]).
func(A, B, C, D, E) -> named(?OP_CALL, [A, B, C, D, E]).

%% @doc Make an instance of a class, named as in {@link func/2}.
-spec init(name()) -> term().
init(A) -> named(?OP_INIT, [A]).
init(A, B) -> named(?OP_INIT, [A, B]).
init(A, B, C) -> named(?OP_INIT, [A, B, C]).
init(A, B, C, D) -> named(?OP_INIT, [A, B, C, D]).
init(A, B, C, D, E) -> named(?OP_INIT, [A, B, C, D, E]).

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
    constant(py_wire:target(Module, Name), [py_wire:text_argument(Type)], Options).

constant(Target, Arguments, Options) -> py_call:run(?OP_CONST, Target, none, {Arguments, []}, Options).

%% @doc Call a method of an object (a handle or a value), then as in {@link func/2}.
-spec method(term(), name()) -> term().
method(Object, Name) -> method_of(Object, Name, []).
method(Object, Name, A) -> method_of(Object, Name, [A]).
method(Object, Name, A, B) -> method_of(Object, Name, [A, B]).
method(Object, Name, A, B, C) -> method_of(Object, Name, [A, B, C]).

method_of(Object, Name, Rest) ->
    {Positionals, Keywords, Options} = arguments(Rest),
    py_call:run(?OP_METHOD, py_wire:target(Name), {object, Object}, {Positionals, Keywords}, Options).

%% @doc Call an object that can be called (a function, a class, a bound method) or, given a name, that function.
-spec call(term()) -> term().
call(Callable) -> call_object(Callable, []).
call(Callable, A) -> call_object(Callable, [A]).
call(Callable, A, B) -> call_object(Callable, [A, B]).
call(Callable, A, B, C) -> call_object(Callable, [A, B, C]).

call_object({py_handle, _, _} = Callable, Rest) ->
    {Positionals, Keywords, Options} = arguments(Rest),
    py_call:run(?OP_OPERATOR, <<"call">>, {object, Callable}, {Positionals, Keywords}, Options);
call_object(Name, Rest) ->
    invoke(?OP_CALL, py_wire:target(Name), Rest).

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
    py_call:release([Token || Handle <- Handles, {ok, Token} <- [py_wire:token(Handle)]], Options);
release(Handle, Options) ->
    release([Handle], Options).

%% Operators. An in-place one (iadd ...) returns the new value; an object behind a handle is changed as in Python.

%% @doc Any function of Python's module `operator'.
-spec operator(name(), [term()]) -> term().
operator(Name, Operands) -> operator(Name, Operands, #{}).

-spec operator(name(), [term()], options()) -> term().
operator(Name, [Object | Others], Options) ->
    py_call:run(?OP_OPERATOR, py_wire:target(Name), {object, Object}, {Others, []}, Options);
operator(Name, [], Options) ->
    py_call:run(?OP_OPERATOR, py_wire:target(Name), none, {[], []}, Options).

lt(A, B) -> operator(<<"lt">>, [A, B]).
lt(A, B, Options) -> operator(<<"lt">>, [A, B], Options).
le(A, B) -> operator(<<"le">>, [A, B]).
le(A, B, Options) -> operator(<<"le">>, [A, B], Options).
eq(A, B) -> operator(<<"eq">>, [A, B]).
eq(A, B, Options) -> operator(<<"eq">>, [A, B], Options).
ne(A, B) -> operator(<<"ne">>, [A, B]).
ne(A, B, Options) -> operator(<<"ne">>, [A, B], Options).
ge(A, B) -> operator(<<"ge">>, [A, B]).
ge(A, B, Options) -> operator(<<"ge">>, [A, B], Options).
gt(A, B) -> operator(<<"gt">>, [A, B]).
gt(A, B, Options) -> operator(<<"gt">>, [A, B], Options).
is_(A, B) -> operator(<<"is_">>, [A, B]).
is_(A, B, Options) -> operator(<<"is_">>, [A, B], Options).
is_not(A, B) -> operator(<<"is_not">>, [A, B]).
is_not(A, B, Options) -> operator(<<"is_not">>, [A, B], Options).
add(A, B) -> operator(<<"add">>, [A, B]).
add(A, B, Options) -> operator(<<"add">>, [A, B], Options).
floordiv(A, B) -> operator(<<"floordiv">>, [A, B]).
floordiv(A, B, Options) -> operator(<<"floordiv">>, [A, B], Options).
mod(A, B) -> operator(<<"mod">>, [A, B]).
mod(A, B, Options) -> operator(<<"mod">>, [A, B], Options).
mul(A, B) -> operator(<<"mul">>, [A, B]).
mul(A, B, Options) -> operator(<<"mul">>, [A, B], Options).
matmul(A, B) -> operator(<<"matmul">>, [A, B]).
matmul(A, B, Options) -> operator(<<"matmul">>, [A, B], Options).
sub(A, B) -> operator(<<"sub">>, [A, B]).
sub(A, B, Options) -> operator(<<"sub">>, [A, B], Options).
truediv(A, B) -> operator(<<"truediv">>, [A, B]).
truediv(A, B, Options) -> operator(<<"truediv">>, [A, B], Options).
and_(A, B) -> operator(<<"and_">>, [A, B]).
and_(A, B, Options) -> operator(<<"and_">>, [A, B], Options).
or_(A, B) -> operator(<<"or_">>, [A, B]).
or_(A, B, Options) -> operator(<<"or_">>, [A, B], Options).
'xor'(A, B) -> operator(<<"xor">>, [A, B]).
'xor'(A, B, Options) -> operator(<<"xor">>, [A, B], Options).
lshift(A, B) -> operator(<<"lshift">>, [A, B]).
lshift(A, B, Options) -> operator(<<"lshift">>, [A, B], Options).
rshift(A, B) -> operator(<<"rshift">>, [A, B]).
rshift(A, B, Options) -> operator(<<"rshift">>, [A, B], Options).
concat(A, B) -> operator(<<"concat">>, [A, B]).
concat(A, B, Options) -> operator(<<"concat">>, [A, B], Options).
contains(A, B) -> operator(<<"contains">>, [A, B]).
contains(A, B, Options) -> operator(<<"contains">>, [A, B], Options).
countOf(A, B) -> operator(<<"countOf">>, [A, B]).
countOf(A, B, Options) -> operator(<<"countOf">>, [A, B], Options).
indexOf(A, B) -> operator(<<"indexOf">>, [A, B]).
indexOf(A, B, Options) -> operator(<<"indexOf">>, [A, B], Options).
getitem(A, B) -> operator(<<"getitem">>, [A, B]).
getitem(A, B, Options) -> operator(<<"getitem">>, [A, B], Options).
delitem(A, B) -> operator(<<"delitem">>, [A, B]).
delitem(A, B, Options) -> operator(<<"delitem">>, [A, B], Options).
iadd(A, B) -> operator(<<"iadd">>, [A, B]).
iadd(A, B, Options) -> operator(<<"iadd">>, [A, B], Options).
iand(A, B) -> operator(<<"iand">>, [A, B]).
iand(A, B, Options) -> operator(<<"iand">>, [A, B], Options).
iconcat(A, B) -> operator(<<"iconcat">>, [A, B]).
iconcat(A, B, Options) -> operator(<<"iconcat">>, [A, B], Options).
ifloordiv(A, B) -> operator(<<"ifloordiv">>, [A, B]).
ifloordiv(A, B, Options) -> operator(<<"ifloordiv">>, [A, B], Options).
ilshift(A, B) -> operator(<<"ilshift">>, [A, B]).
ilshift(A, B, Options) -> operator(<<"ilshift">>, [A, B], Options).
imatmul(A, B) -> operator(<<"imatmul">>, [A, B]).
imatmul(A, B, Options) -> operator(<<"imatmul">>, [A, B], Options).
imod(A, B) -> operator(<<"imod">>, [A, B]).
imod(A, B, Options) -> operator(<<"imod">>, [A, B], Options).
imul(A, B) -> operator(<<"imul">>, [A, B]).
imul(A, B, Options) -> operator(<<"imul">>, [A, B], Options).
ior(A, B) -> operator(<<"ior">>, [A, B]).
ior(A, B, Options) -> operator(<<"ior">>, [A, B], Options).
ipow(A, B) -> operator(<<"ipow">>, [A, B]).
ipow(A, B, Options) -> operator(<<"ipow">>, [A, B], Options).
irshift(A, B) -> operator(<<"irshift">>, [A, B]).
irshift(A, B, Options) -> operator(<<"irshift">>, [A, B], Options).
isub(A, B) -> operator(<<"isub">>, [A, B]).
isub(A, B, Options) -> operator(<<"isub">>, [A, B], Options).
itruediv(A, B) -> operator(<<"itruediv">>, [A, B]).
itruediv(A, B, Options) -> operator(<<"itruediv">>, [A, B], Options).
ixor(A, B) -> operator(<<"ixor">>, [A, B]).
ixor(A, B, Options) -> operator(<<"ixor">>, [A, B], Options).
not_(A) -> operator(<<"not_">>, [A]).
not_(A, Options) -> operator(<<"not_">>, [A], Options).
truth(A) -> operator(<<"truth">>, [A]).
truth(A, Options) -> operator(<<"truth">>, [A], Options).
neg(A) -> operator(<<"neg">>, [A]).
neg(A, Options) -> operator(<<"neg">>, [A], Options).
pos(A) -> operator(<<"pos">>, [A]).
pos(A, Options) -> operator(<<"pos">>, [A], Options).
index(A) -> operator(<<"index">>, [A]).
index(A, Options) -> operator(<<"index">>, [A], Options).
inv(A) -> operator(<<"inv">>, [A]).
inv(A, Options) -> operator(<<"inv">>, [A], Options).
invert(A) -> operator(<<"invert">>, [A]).
invert(A, Options) -> operator(<<"invert">>, [A], Options).
'and-'(A, B) -> and_(A, B).
'or-'(A, B) -> or_(A, B).
'not-'(A) -> not_(A).
'is-'(A, B) -> is_(A, B).
'is-not'(A, B) -> is_not(A, B).
setitem(A, B, C) -> operator(<<"setitem">>, [A, B, C]).
setitem(A, B, C, Options) -> operator(<<"setitem">>, [A, B, C], Options).
length_hint(A) -> operator(<<"length_hint">>, [A]).
length_hint(A, Default) -> operator(<<"length_hint">>, [A, Default]).
attrgetter(Name) -> operator(<<"attrgetter">>, [Name]).
itemgetter(Item) -> operator(<<"itemgetter">>, [Item]).
methodcaller(Name) -> operator(<<"methodcaller">>, [Name]).
methodcaller(Name, Arguments) -> operator(<<"methodcaller">>, [Name | Arguments]).

%% Builtins.

%% @doc Any function of Python's module `builtins'.
-spec builtin(name()) -> term().
builtin(Name) -> builtin(Name, [], [], #{}).

-spec builtin(name(), [term()]) -> term().
builtin(Name, Arguments) -> builtin(Name, Arguments, [], #{}).

-spec builtin(name(), [term()], keywords()) -> term().
builtin(Name, Arguments, Keywords) -> builtin(Name, Arguments, Keywords, #{}).

-spec builtin(name(), [term()], keywords(), options()) -> term().
builtin(Name, [Object | Others], Keywords, Options) ->
    py_call:run(?OP_BUILTIN, py_wire:target(Name), {object, Object}, {Others, Keywords}, Options);
builtin(Name, Arguments, Keywords, Options) ->
    py_call:run(?OP_BUILTIN, py_wire:target(Name), none, {Arguments, Keywords}, Options).

abs(A) -> builtin(<<"abs">>, [A]).
all(A) -> builtin(<<"all">>, [A]).
any(A) -> builtin(<<"any">>, [A]).
ascii(A) -> builtin(<<"ascii">>, [A]).
bin(A) -> builtin(<<"bin">>, [A]).
bool() -> builtin(<<"bool">>, []).
bool(A) -> builtin(<<"bool">>, [A]).
bytearray() -> builtin(<<"bytearray">>, []).
bytearray(A) -> builtin(<<"bytearray">>, [A]).
bytearray(A, B) -> builtin(<<"bytearray">>, [A, B]).
bytearray(A, B, C) -> builtin(<<"bytearray">>, [A, B, C]).
bytes() -> builtin(<<"bytes">>, []).
bytes(A) -> builtin(<<"bytes">>, [A]).
bytes(A, B) -> builtin(<<"bytes">>, [A, B]).
bytes(A, B, C) -> builtin(<<"bytes">>, [A, B, C]).
callable(A) -> builtin(<<"callable">>, [A]).
chr(A) -> builtin(<<"chr">>, [A]).
compile(A, B, C) -> builtin(<<"compile">>, [A, B, C]).
complex() -> builtin(<<"complex">>, []).
complex(A) -> builtin(<<"complex">>, [A]).
complex(A, B) -> builtin(<<"complex">>, [A, B]).
divmod(A, B) -> builtin(<<"divmod">>, [A, B]).
enumerate(A) -> builtin(<<"enumerate">>, [A]).
enumerate(A, B) -> builtin(<<"enumerate">>, [A, B]).
filter(A, B) -> builtin(<<"filter">>, [A, B]).
float() -> builtin(<<"float">>, []).
float(A) -> builtin(<<"float">>, [A]).
format(A) -> builtin(<<"format">>, [A]).
format(A, B) -> builtin(<<"format">>, [A, B]).
frozenset() -> builtin(<<"frozenset">>, []).
frozenset(A) -> builtin(<<"frozenset">>, [A]).
getattr(A, B) -> builtin(<<"getattr">>, [A, B]).
getattr(A, B, C) -> builtin(<<"getattr">>, [A, B, C]).
globals() -> builtin(<<"globals">>, []).
hasattr(A, B) -> builtin(<<"hasattr">>, [A, B]).
hash(A) -> builtin(<<"hash">>, [A]).
help() -> builtin(<<"help">>, []).
help(A) -> builtin(<<"help">>, [A]).
hex(A) -> builtin(<<"hex">>, [A]).
id(A) -> builtin(<<"id">>, [A]).
int() -> builtin(<<"int">>, []).
int(A) -> builtin(<<"int">>, [A]).
isinstance(A, B) -> builtin(<<"isinstance">>, [A, B]).
issubclass(A, B) -> builtin(<<"issubclass">>, [A, B]).
iter(A) -> builtin(<<"iter">>, [A]).
iter(A, B) -> builtin(<<"iter">>, [A, B]).
len(A) -> builtin(<<"len">>, [A]).
locals() -> builtin(<<"locals">>, []).
map(A, B) -> builtin(<<"map">>, [A, B]).
map(A, B, C) -> builtin(<<"map">>, [A, B, C]).
max(A) -> builtin(<<"max">>, [A]).
max(A, B) -> builtin(<<"max">>, [A, B]).
max(A, B, C) -> builtin(<<"max">>, [A, B, C]).
max(A, B, C, D) -> builtin(<<"max">>, [A, B, C, D]).
memoryview(A) -> builtin(<<"memoryview">>, [A]).
min(A) -> builtin(<<"min">>, [A]).
min(A, B) -> builtin(<<"min">>, [A, B]).
min(A, B, C) -> builtin(<<"min">>, [A, B, C]).
min(A, B, C, D) -> builtin(<<"min">>, [A, B, C, D]).
next(A) -> builtin(<<"next">>, [A]).
next(A, B) -> builtin(<<"next">>, [A, B]).
object() -> builtin(<<"object">>, []).
oct(A) -> builtin(<<"oct">>, [A]).
open(A) -> builtin(<<"open">>, [A]).
ord(A) -> builtin(<<"ord">>, [A]).
pow(A, B) -> builtin(<<"pow">>, [A, B]).
pow(A, B, C) -> builtin(<<"pow">>, [A, B, C]).
print() -> builtin(<<"print">>, []).
print(A) -> builtin(<<"print">>, [A]).
range(A) -> builtin(<<"range">>, [A]).
range(A, B) -> builtin(<<"range">>, [A, B]).
range(A, B, C) -> builtin(<<"range">>, [A, B, C]).
repr(A) -> builtin(<<"repr">>, [A]).
reversed(A) -> builtin(<<"reversed">>, [A]).
round(A) -> builtin(<<"round">>, [A]).
round(A, B) -> builtin(<<"round">>, [A, B]).
set() -> builtin(<<"set">>, []).
set(A) -> builtin(<<"set">>, [A]).
slice(A) -> builtin(<<"slice">>, [A]).
slice(A, B) -> builtin(<<"slice">>, [A, B]).
slice(A, B, C) -> builtin(<<"slice">>, [A, B, C]).
sorted(A) -> builtin(<<"sorted">>, [A]).
str() -> builtin(<<"str">>, []).
str(A) -> builtin(<<"str">>, [A]).
sum(A) -> builtin(<<"sum">>, [A]).
sum(A, B) -> builtin(<<"sum">>, [A, B]).
super() -> builtin(<<"super">>, []).
super(A) -> builtin(<<"super">>, [A]).
super(A, B) -> builtin(<<"super">>, [A, B]).
tuple() -> builtin(<<"tuple">>, []).
tuple(A) -> builtin(<<"tuple">>, [A]).
type(A) -> builtin(<<"type">>, [A]).
type(A, B, C) -> builtin(<<"type">>, [A, B, C]).
zip(A) -> builtin(<<"zip">>, [A]).
zip(A, B) -> builtin(<<"zip">>, [A, B]).
zip(A, B, C) -> builtin(<<"zip">>, [A, B, C]).

%% Builtins whose last argument here are keywords, as a proplist or a map.
compile(A, B, C, Keywords) -> builtin(<<"compile">>, [A, B, C], Keywords).
open(A, Keywords) when is_list(Keywords); is_map(Keywords) -> builtin(<<"open">>, [A], Keywords);
open(A, Mode) -> builtin(<<"open">>, [A, Mode]).
print(A, Keywords) -> builtin(<<"print">>, [A], Keywords).
property(Keywords) -> builtin(<<"property">>, [], Keywords).
sorted(A, Keywords) -> builtin(<<"sorted">>, [A], Keywords).
sorted(A, Key, Reverse) -> builtin(<<"sorted">>, [A], [{key, Key}, {reverse, Reverse}]).
str(A, Keywords) -> builtin(<<"str">>, [A], Keywords).
int(A, Base) when is_integer(Base) -> builtin(<<"int">>, [A, Base]);
int(A, Keywords) -> builtin(<<"int">>, [A], Keywords).

%% @doc Python's list: `list' is taken in LFE.
pylist() -> builtin(<<"list">>, []).
pylist(A) -> builtin(<<"list">>, [A]).

%% @doc A dict out of a proplist.
dict() -> builtin(<<"dict">>, []).
dict(Pairs) when is_list(Pairs) -> builtin(<<"dict">>, [{"dict", Pairs}]);
dict(Other) -> builtin(<<"dict">>, [Other]).

%% @doc The names in an object, no more than 28 of them; {@link pdir/1} has all.
dir() -> elided(pdir()).
dir(A) -> elided(pdir(A)).
pdir() -> builtin(<<"dir">>, []).
pdir(A) -> builtin(<<"dir">>, [A]).

%% @doc The attributes of an object, no more than 28 of them; {@link pvars/1} has all.
vars() -> elided(pvars()).
vars(A) -> elided(pvars(A)).
pvars() -> builtin(<<"vars">>, []).
pvars(A) -> builtin(<<"vars">>, [A]).

elided({Tag, Pairs}) when is_list(Pairs) -> {Tag, lists:sublist(Pairs, ?SHOWN)};
elided(List) when is_list(List) -> lists:sublist(List, ?SHOWN);
elided(Other) -> Other.

%% ErlPort's way: binaries among the arguments are bytes.

-spec pycall(name(), name()) -> term().
pycall(Module, Function) -> pycall(Module, Function, []).

-spec pycall(name(), name(), [term()]) -> term().
pycall(Module, Function, Arguments) ->
    py_call:run(?OP_CALL, py_wire:target(Module, Function), none, {Arguments, []}, #{binaries => bytes}).

%% What stands before the arguments: `Module, Name' or one dotted name.
named(Op, [Module, Name | Rest]) when not is_list(Name), not is_map(Name) ->
    invoke(Op, py_wire:target(Module, Name), Rest);
named(Op, [Dotted | Rest]) ->
    invoke(Op, py_wire:target(Dotted), Rest).

invoke(Op, Target, Rest) ->
    {Positionals, Keywords, Options} = arguments(Rest),
    py_call:run(Op, Target, none, {Positionals, Keywords}, Options).

%% Each may be left out from the end; a map at the end is the options.
arguments([]) -> {[], [], #{}};
arguments([Options]) when is_map(Options) -> {[], [], Options};
arguments([Positionals]) -> {Positionals, [], #{}};
arguments([Positionals, Options]) when is_map(Options) -> {Positionals, [], Options};
arguments([Positionals, Keywords]) -> {Positionals, Keywords, #{}};
arguments([Positionals, Keywords, Options]) when is_map(Options) -> {Positionals, Keywords, Options};
arguments(Other) -> py_error:raise(bad_arguments, "options are a map, not ~0tp", [lists:last(Other)]).
