%% @doc What is done by one call of many: a chunk of items, a call of its own, a part of a reduction.
%%
%% A unit says how it is begun and what becomes of its answer; {@link py_gather} makes the calls.
-module(py_units).

-export([over/4, method/4, call/3, fold/5, tries/1, on_server/3]).
-export([source/2, chunks/2, chunk_size/2, not_a_list/1]).

-export_type([call/0, items/0]).

-include("py_wire.hrl").
-include("py_gather.hrl").

-type call() ::
    {py:name(), py:name(), [term()]} | {py:name(), py:name(), [term()], py:keywords()}.
%% A list, or what gives one whose end may again be such a function: so items may be without end.
-type items() :: [term()] | lazy().
-type lazy() :: fun(() -> [term()] | nonempty_improper_list(term(), lazy()) | lazy()).
%% How often a unit may be begun.
-type tries() :: once | integer().

-define(CHUNKS_PER_CALL, 4).
%% How often an item is tried in all, the first time with its chunk.
-define(TRIES, 3).

%% @doc The calls of a function with each of some items. A handle goes alone, to the worker that has its object.
-spec over(binary(), [term()], py_options:options(), map()) -> [unit()].
over(Target, Chunk, Options, #{chunk := auto} = Settings) ->
    [chunk(Target, Items, Options, tries(Settings)) || Items <- apart(Chunk)];
over(Target, Chunk, Options, Settings) ->
    [chunk(Target, Chunk, Options, tries(Settings))].

apart([]) ->
    [];
apart([{py_handle, _, _} = Handle | Others]) ->
    [[Handle] | apart(Others)];
apart(Items) ->
    {Plain, Others} = lists:splitwith(fun(Item) -> not is_handle(Item) end, Items),
    [Plain | apart(Others)].

is_handle({py_handle, _, _}) -> true;
is_handle(_) -> false.

%% A call of a function with each of some items: what is lost of them is tried again item by item.
chunk(Target, Chunk, Options, Tries) ->
    Begin = begin_chunk(Target, Chunk, Options),
    Again = fun() -> [chunk(Target, [Item], Options, Tries - 1) || Item <- Chunk] end,
    repeatable(#unit{count = length(Chunk), start = Begin, expand = expand(length(Chunk))}, Again, Tries).

repeatable(Unit, _, once) -> Unit;
repeatable(Unit, _, Tries) when Tries =< 1 -> Unit#unit{twice = true};
repeatable(Unit, Again, _) -> Unit#unit{twice = true, again = Again}.

%% @doc How often the units of a job with these settings may be begun.
-spec tries(map()) -> tries().
tries(#{idempotent := true}) -> ?TRIES;
tries(_) -> once.

begin_chunk(Target, Chunk, Options) ->
    Arguments = {[[[Item] || Item <- Chunk]], []},
    fun(Inbox) -> py_call:begin_call(?OP_MAP, Target, none, Arguments, Options, 0, Inbox) end.

%% MAP answers with the values, and apart from them the errors with their places, from 0.
expand(Count) ->
    fun
        ({ok, [Values, Errors]}) ->
            Failed = maps:from_list([{Index, py_error:keyed(Error)} || [Index, Error] <- Errors]),
            [
                case Failed of
                    #{Index := Error} -> {error, Error};
                    _ -> {ok, Value}
                end
             || {Index, Value} <- lists:enumerate(0, Values)
            ];
        ({error, Error}) ->
            lists:duplicate(Count, {error, Error})
    end.

%% @doc A method's call, where the object lives.
-spec method(py:handle(), {py:name(), [term()]}, py_options:options(), tries()) -> unit().
method({py_handle, _, _} = Handle, {Name, Arguments} = Call, Options, Tries) ->
    Target = py_wire:target(Name),
    Begin = fun(Inbox) ->
        py_call:begin_call(?OP_METHOD, Target, {object, Handle}, {Arguments, []}, Options, 0, Inbox)
    end,
    Again = fun() -> [method(Handle, Call, Options, Tries - 1)] end,
    repeatable(#unit{start = Begin, expand = fun single/1}, Again, Tries);
method(Other, _, _, _) ->
    py_error:raise(bad_arguments, "a method is called of handles, not of ~0tp", [Other]).

%% @doc The options of the call with that number: servers take turns.
-spec on_server(pos_integer(), [atom()], py_options:options()) -> py_options:options().
on_server(_, _, #{server := _} = Options) -> Options;
on_server(_, [], Options) -> Options;
on_server(Number, Names, Options) -> Options#{server => lists:nth(Number rem length(Names) + 1, Names)}.

%% @doc A call by itself.
-spec call(call(), py_options:options(), tries()) -> unit().
call(Call, Options, Tries) ->
    Again = fun() -> [call(Call, Options, Tries - 1)] end,
    repeatable(#unit{start = begin_one(Call, Options), expand = fun single/1}, Again, Tries).

begin_one({Module, Function, Arguments}, Options) ->
    begin_one({Module, Function, Arguments, []}, Options);
begin_one({Module, Function, Arguments, Keywords}, Options) ->
    Target = py_wire:target(Module, Function),
    fun(Inbox) -> py_call:begin_call(?OP_CALL, Target, none, {Arguments, Keywords}, Options, 0, Inbox) end;
begin_one(Other, _) ->
    py_error:raise(bad_arguments, "a call is {Module, Function, Arguments} and perhaps keywords, not ~0tp", [Other]).

single(Outcome) -> [Outcome].

%% @doc A call that reduces so many items, or parts of them, to one: with what stands in its target.
-spec fold(pos_integer(), binary(), [term()], py_options:options(), tries()) -> unit().
fold(Count, Target, Items, Options, Tries) ->
    Begin = fun(Inbox) -> py_call:begin_call(?OP_CALL, Target, none, {[Items], []}, Options, 0, Inbox) end,
    Again = fun() -> [fold(Count, Target, Items, Options, Tries - 1)] end,
    repeatable(#unit{count = Count, start = Begin, expand = fun single/1}, Again, Tries).

%% @doc Refuse what is no list of items.
-spec not_a_list(term()) -> no_return().
not_a_list(Items) ->
    py_error:raise(bad_arguments, "items are a list, or a function that gives one, not ~0tp", [Items]).

%% @doc Units of items that are taken as there is room for them. `Make' is given some, and the number of this taking.
-spec source(lazy(), fun(([term()], pos_integer()) -> [unit()])) -> source().
source(Items, Make) -> source(Items, Make, 1).

source(Items, Make, Number) ->
    fun(Size) ->
        case taken(Size, Items, []) of
            {[], _} -> done;
            {Taken, Others} -> {Make(Taken, Number), source(Others, Make, Number + 1)}
        end
    end.

taken(Size, [Item | Others], Taken) when Size > 0 -> taken(Size - 1, Others, [Item | Taken]);
taken(Size, Others, Taken) when Size =:= 0; Others =:= [] -> {lists:reverse(Taken), Others};
taken(Size, More, Taken) when is_function(More, 0) -> taken(Size, More(), Taken);
taken(_, Other, _) -> not_a_list(Other).

%% @doc A list in lists of so many.
-spec chunks([term()], pos_integer()) -> [[term()]].
chunks([], _) ->
    [];
chunks(Items, Size) ->
    {Chunk, Rest} = up_to(Size, Items, []),
    [Chunk | chunks(Rest, Size)].

up_to(Size, [Item | Others], Taken) when Size > 0 -> up_to(Size - 1, Others, [Item | Taken]);
up_to(_, Rest, Taken) -> {lists:reverse(Taken), Rest}.

%% @doc How many items travel in one call.
-spec chunk_size(map(), non_neg_integer()) -> pos_integer().
chunk_size(#{chunk := auto}, Total) ->
    max(1, min(?MOST_IN_CHUNK, Total div (?IN_FLIGHT * ?CHUNKS_PER_CALL)));
chunk_size(#{chunk := Size}, _) ->
    Size.
