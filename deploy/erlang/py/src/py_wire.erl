%% @doc Frames as bytes: pure functions, nothing here knows of ports.
%%
%% A frame is what stands between the port's own length and the next: 20 bytes of header, little-endian, then a payload.
%%
%% ```
%% u8 kind | u8 codec | u16 flags | u64 call id | u32 session, 0 | u32 deadline in ms, 0: none
%% '''
%%
%% The payload of a call is its head (what to do, on what, how the result shall travel) and then the arguments as one
%% external term, `[Positionals]' or `[Positionals, Keywords]'. Large arguments are not copied: a binary among them goes
%% from the caller's term into the pipe.
-module(py_wire).

-export([call/4, cancel/1, control/2, credit/2, failure/2, nested/2, parse/1, placed/2, trace/2, release/1, reply/2]).
-export([token/1, target/1, target/2, combined/2, converted/2, text_argument/1, keywords/1]).

-export_type([head/0, frame/0]).

-include("py_wire.hrl").

-type head() :: {Op :: byte(), Want :: byte(), Style :: non_neg_integer(), Target :: binary(), Token :: binary()}.
-type frame() :: {
    Kind :: byte(), Codec :: byte(), Flags :: non_neg_integer(), Id :: non_neg_integer(), Payload :: binary()
}.

-define(HEADER(Kind, Flags, Id, Deadline),
    Kind, ?ETF, (Flags):16/little, (Id):64/little, 0:32, (Deadline):32/little
).
-define(MAX_DEADLINE, 16#FFFFFFFF).
-define(MAX_TARGET, 4096).
%% So many arguments are looked at, for binaries of more bytes than the virtual machine copies anyway.
-define(FEW, 8).
-define(SMALL, 64).

%% @doc A CALL frame.
-spec call(non_neg_integer(), {Flags :: non_neg_integer(), timeout()}, head(), [term()]) -> iolist().
call(Id, {Flags, Timeout}, {Op, Want, Style, Target, Token}, Arguments) ->
    Head =
        <<?HEADER(?CALL, Flags, Id, deadline(Timeout)), Op, Want, Style:16/little, (byte_size(Target)):16/little,
            (byte_size(Token)):16/little, Target/binary, Token/binary>>,
    case Arguments of
        [[]] -> [Head];
        [Positionals] -> [Head | encoded(Arguments, are_small(Positionals, ?FEW))];
        _ -> [Head | encoded(Arguments, false)]
    end.

%% An iovec refers to large binaries instead of copying them, and costs a microsecond even if there are none.
encoded(Arguments, true) -> [term_to_binary(Arguments, [{minor_version, 2}])];
encoded(Arguments, false) -> term_to_iovec(Arguments, [{minor_version, 2}]).

are_small([], _) -> true;
are_small(_, 0) -> false;
are_small([Number | Others], Left) when is_number(Number); is_atom(Number) -> are_small(Others, Left - 1);
are_small([Text | Others], Left) when byte_size(Text) =< ?SMALL -> are_small(Others, Left - 1);
are_small(_, _) -> false.

%% Milliseconds beyond 49 days do not fit: no deadline then, the caller's own timer is there.
deadline(Timeout) when is_integer(Timeout), Timeout =< ?MAX_DEADLINE -> Timeout;
deadline(_) -> 0.

%% @doc The same call, made in the course of a callback.
-spec nested(non_neg_integer(), iolist()) -> iolist().
nested(Callback, [<<?CALL, Rest:19/binary, Head/binary>> | Arguments]) ->
    [<<?NESTED, Rest/binary, Callback:64/little, Head/binary>> | Arguments];
nested(_, Other) ->
    Other.

%% @doc The same call, for the worker in a slot and no other.
-spec placed(non_neg_integer(), iolist()) -> iolist().
placed(Slot, [<<?CALL, Rest:19/binary, Head/binary>> | Arguments]) ->
    [<<?PLACED, Rest/binary, Slot:16/little, Head/binary>> | Arguments].

%% @doc The trace context of the call with that id, which comes next.
-spec trace(non_neg_integer(), binary()) -> iolist().
trace(Id, Context) ->
    [<<?HEADER(?TRACE, 0, Id, 0)>>, Context].

%% @doc The answer to a callback.
-spec reply(non_neg_integer(), term()) -> iolist().
reply(Callback, Value) ->
    [<<?HEADER(?REPLY, 0, Callback, 0)>> | term_to_iovec(Value, [{minor_version, 2}])].

%% @doc Why there is none.
-spec failure(non_neg_integer(), map()) -> iolist().
failure(Callback, Error) ->
    [<<?HEADER(?ERROR, 0, Callback, 0)>> | term_to_iovec(Error, [{minor_version, 2}])].

%% @doc So many more items of a stream may come.
-spec credit(non_neg_integer(), pos_integer()) -> binary().
credit(Id, Items) -> <<?HEADER(?CREDIT, 0, Id, 0), Items:32/little>>.

%% @doc Take a call back.
-spec cancel(non_neg_integer()) -> binary().
cancel(Id) -> <<?HEADER(?CANCEL, 0, Id, 0)>>.

%% @doc Let go of objects.
-spec release([binary()]) -> iolist().
release(Tokens) -> [<<?HEADER(?RELEASE, 0, 0, 0)>> | Tokens].

%% @doc A question to the bridge itself.
-spec control(non_neg_integer(), map()) -> iolist().
control(Id, Request) -> [<<?HEADER(?CONTROL, 0, Id, 0)>>, term_to_binary(Request, [{minor_version, 2}])].

%% @doc What the port program said.
-spec parse(binary()) -> frame() | malformed.
parse(<<Kind, Codec, Flags:16/little, Id:64/little, _Session:32, _Deadline:32, Payload/binary>>) ->
    {Kind, Codec, Flags, Id, Payload};
parse(_) ->
    malformed.

%% @doc The token of a handle, nothing for what is no handle.
-spec token(term()) -> {ok, binary()} | error.
token({py_handle, Token, _Type}) when is_binary(Token) -> {ok, Token};
token(_) -> error.

%% @doc A function's full name as the bridge wants it.
%%
%% `os' and `getcwd' become `os:getcwd': the colon says that what stands before it is a module, which is never guessed
%% again. A first part that has dots may reach into a class (`datetime.datetime'), so there the bridge is left to find
%% the longest part that can be imported.
-spec target(py:name(), py:name()) -> binary().
target(Module, Function) ->
    ModuleName = name(Module),
    Separator =
        case has($., ModuleName) of
            false -> $:;
            true -> $.
        end,
    checked(<<ModuleName/binary, Separator, (name(Function))/binary>>).

%% @doc A dotted name, or `module:path'.
-spec target(py:name()) -> binary().
target(Dotted) -> checked(name(Dotted)).

%% A Python name out of an atom, a binary or a charlist. Python has no dashes in names and LFE likes them.
name(Name) when is_atom(Name) -> undashed(atom_to_binary(Name));
name(Name) when is_binary(Name) -> undashed(Name);
name(Name) -> undashed(text(Name)).

undashed(Name) ->
    case has($-, Name) of
        false -> Name;
        true -> binary:replace(Name, <<"-">>, <<"_">>, [global])
    end.

%% For names, which are short: `binary:match/2' first compiles what it looks for.
has(Character, <<Character, _/binary>>) -> true;
has(Character, <<_, Rest/binary>>) -> has(Character, Rest);
has(_, <<>>) -> false.

checked(Target) when byte_size(Target) =< ?MAX_TARGET -> Target;
checked(Target) ->
    py_error:raise(bad_arguments, "a name of ~b bytes is over the limit of ~b", [byte_size(Target), ?MAX_TARGET]).

%% @doc Keyword arguments, a proplist or a map whose keys are atoms, binaries or charlists, as a map with text keys.
-spec keywords(py:keywords()) -> #{atom() | binary() => term()}.
keywords(Keywords) when is_map(Keywords) ->
    maps:fold(fun(Key, Value, Map) -> Map#{text_argument(Key) => Value} end, #{}, Keywords);
keywords(Keywords) when length(Keywords) >= 0 ->
    %% From the right, so that of two equal keys the first counts, as in every proplist.
    lists:foldr(
        fun
            ({Key, Value}, Map) -> Map#{text_argument(Key) => Value};
            (Key, Map) when is_atom(Key) -> Map#{text_argument(Key) => true};
            (Other, _) ->
                Format =
                    "~0tp is no keyword argument: {Name, Value} is expected. Before keyword arguments stands the list of "
                    "arguments; a string is such a list, so the name of a function is an atom or a binary",
                py_error:raise(bad_arguments, Format, [Other])
        end,
        #{},
        Keywords
    );
keywords(Other) ->
    py_error:raise(bad_arguments, "keyword arguments are a proplist or a map, not ~0tp", [Other]).

%% @doc A target that is made of functions which it names, `fold(operator:add)'. What a call does stands in its target
%% alone: there the bridge looks who may do it.
-spec combined(binary(), [binary()]) -> binary().
combined(What, Names) -> iolist_to_binary([What, $(, lists:join($,, Names), $)]).

%% @doc The target and the arguments of a constant that is converted: to a builtin type, or to one of a module.
-spec converted(binary(), py:name()) -> {binary(), [term()]}.
converted(Target, Type) ->
    case binary:match(target(Type), [<<":">>, <<".">>]) of
        nomatch -> {Target, [text_argument(Type)]};
        _ -> {combined(<<"convert">>, [Target, target(Type)]), []}
    end.

%% @doc A text that travels as an argument. An atom is text in Python whatever the call says of its binaries, but for
%% the three that are constants there.
-spec text_argument(py:name()) -> atom() | binary().
text_argument(Text) when Text =:= true; Text =:= false; Text =:= undefined -> atom_to_binary(Text);
text_argument(Text) when is_atom(Text) -> Text;
text_argument(Text) -> text(Text).

text(Text) when is_binary(Text) -> Text;
text(Text) ->
    try unicode:characters_to_binary(Text) of
        Binary when is_binary(Binary) -> Binary;
        _ -> no_name(Text)
    catch
        error:badarg -> no_name(Text)
    end.

-spec no_name(term()) -> no_return().
no_name(Text) ->
    py_error:raise(bad_arguments, "~0tp is no name: an atom, a binary or a string is expected", [Text]).
