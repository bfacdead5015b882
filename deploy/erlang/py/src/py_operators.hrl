%% The operators, as functions of the module py: one line for each that Python's module `operator' has.

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
