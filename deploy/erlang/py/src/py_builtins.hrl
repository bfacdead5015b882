%% The builtins, as functions of the module py, by their number of arguments.

%% `dir' and `vars' show this many entries, `pdir' and `pvars' all.
-define(SHOWN, 28).

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
%% Python 2's name for `open'.
file(A) -> open(A).
file(A, Mode) -> open(A, Mode).
file(A, Mode, Buffering) -> builtin(<<"open">>, [A, Mode, Buffering]).
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

%% @doc The name of an object's type.
ptype(A) -> attr(type(A), '__qualname__').

%% @doc How this node shows what it has of an object: a handle, or the value.
prepr(A) -> lists:flatten(io_lib:format("~0tp", [A])).
