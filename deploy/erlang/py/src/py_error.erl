%% @doc What a failed call says.
%%
%% A failure is a map with the same keys whoever made it, a worker, the bridge or this application:
%%
%% <ul>
%% <li>`kind': which sort of failure, an atom out of one list (`python', `timeout', `worker_lost', `handle_lost',
%%     `overloaded', `not_found', `disconnected' ...): decide by this, not by the message.</li>
%% <li>`class', `module': the Python exception (`<<"ValueError">>', `<<"builtins">>'), `undefined' if there was
%%     none.</li>
%% <li>`message': what went wrong, a binary.</li>
%% <li>`traceback': Python's own text; `frames': the same as data, outermost first.</li>
%% <li>`notes', `cause': what Python attached; a cause is such a map again.</li>
%% <li>`worker', `call', `elapsed_ms', `details': where, which, how long, and what else is known (a signal, an exit
%%     code).</li>
%% </ul>
%%
%% Texts are binaries whatever the call chose for its strings. No atom is ever made: keys and kinds that this module
%% does not list stay binaries.
-module(py_error).

-export([format/1]).
-export([raise/3, make/3, decode/1, text/1, keyed/1]).

-export_type([error/0, kind/0]).

-type kind() ::
    python
    | not_found
    | bad_arguments
    | not_encodable
    | handle_lost
    | handles_apart
    | too_many_handles
    | refused
    | denied
    | overloaded
    | timeout
    | cancelled
    | worker_lost
    | quarantined
    | pool_unavailable
    | client_gone
    | shutting_down
    | disconnected
    | node_down
    | erlang
    | binary().
-type error() :: #{
    kind := kind(),
    message := binary(),
    class => binary() | undefined,
    module => binary() | undefined,
    traceback => binary() | undefined,
    frames => [map()],
    notes => [binary()],
    cause => error() | undefined,
    worker => binary() | undefined,
    call => integer() | undefined,
    elapsed_ms => number() | undefined,
    details => map()
}.

%% @doc The error as text for people: the message, then Python's traceback where there is one.
-spec format(error()) -> unicode:chardata().
format(#{kind := Kind, message := Message} = Error) ->
    Class =
        case Error of
            #{class := Name} when is_binary(Name) -> [Name, ": "];
            _ -> [name(Kind), ": "]
        end,
    Traceback =
        case Error of
            %% Without frames it only says the same again.
            #{traceback := Text, frames := [_ | _]} when is_binary(Text) -> ["\n", Text];
            _ -> []
        end,
    [Class, Message, Traceback].

name(Kind) when is_atom(Kind) -> atom_to_binary(Kind);
name(Kind) -> Kind.

%% @doc An error that this application makes.
-spec make(kind(), string(), [term()]) -> error().
make(Kind, Format, Arguments) ->
    #{
        kind => Kind,
        class => undefined,
        module => undefined,
        message => unicode:characters_to_binary(io_lib:format(Format, Arguments)),
        traceback => undefined,
        frames => [],
        notes => [],
        cause => undefined,
        worker => undefined,
        call => undefined,
        elapsed_ms => undefined,
        details => #{}
    }.

-spec raise(kind(), string(), [term()]) -> no_return().
raise(Kind, Format, Arguments) ->
    error({py_error, make(Kind, Format, Arguments)}).

%% @doc The payload of an ERROR frame.
-spec decode(binary()) -> error().
decode(Payload) ->
    try keyed(binary_to_term(Payload, [safe])) of
        Map when is_map(Map) -> maps:merge(make(python, "no message came", []), Map);
        Other -> make(refused, "the bridge sent an error that is no map: ~0tp", [Other])
    catch
        error:badarg -> make(refused, "the bridge sent an error that is no external term", [])
    end.

%% A map out of a map or a dict, its keys as atoms where we know them, and its texts as binaries.
-spec keyed(term()) -> term().
keyed({Tag, Pairs}) when is_list(Pairs), (Tag =:= "dict" orelse Tag =:= <<"dict">>) ->
    keyed(maps:from_list(Pairs));
keyed(Map) when is_map(Map) ->
    maps:fold(
        fun(Key, Value, Keyed) ->
            Known = key(text(Key)),
            Keyed#{Known => value(Known, Value)}
        end,
        #{},
        Map
    );
keyed(Other) ->
    Other.

value(kind, Kind) -> kind(text(Kind));
value(cause, Cause) -> keyed(Cause);
value(details, Details) -> keyed(Details);
value(frames, Frames) when is_list(Frames) -> [keyed(Frame) || Frame <- Frames];
value(notes, Notes) when is_list(Notes) -> [text(Note) || Note <- Notes];
value(_, Value) -> text(Value).

%% @doc A charlist as a binary; anything else as it is.
-spec text(term()) -> term().
text([First | _] = Characters) when is_integer(First) ->
    try unicode:characters_to_binary(Characters) of
        Text when is_binary(Text) -> Text;
        _ -> Characters
    catch
        error:badarg -> Characters
    end;
text([]) -> <<>>;
text(Other) -> Other.

key(Key) when is_atom(Key) -> Key;
key(<<"kind">>) -> kind;
key(<<"class">>) -> class;
key(<<"module">>) -> module;
key(<<"message">>) -> message;
key(<<"traceback">>) -> traceback;
key(<<"frames">>) -> frames;
key(<<"notes">>) -> notes;
key(<<"cause">>) -> cause;
key(<<"worker">>) -> worker;
key(<<"call">>) -> call;
key(<<"elapsed_ms">>) -> elapsed_ms;
key(<<"details">>) -> details;
key(<<"file">>) -> file;
key(<<"line">>) -> line;
key(<<"function">>) -> function;
key(<<"text">>) -> text;
key(<<"signal">>) -> signal;
key(<<"exit_code">>) -> exit_code;
key(<<"offender">>) -> offender;
key(<<"limit">>) -> limit;
key(<<"type">>) -> type;
key(<<"repr">>) -> repr;
key(<<"size">>) -> size;
key(<<"doc">>) -> doc;
key(<<"len">>) -> len;
key(<<"callable">>) -> callable;
key(Key) -> Key.

kind(<<"python">>) -> python;
kind(<<"not_found">>) -> not_found;
kind(<<"bad_arguments">>) -> bad_arguments;
kind(<<"not_encodable">>) -> not_encodable;
kind(<<"handle_lost">>) -> handle_lost;
kind(<<"handles_apart">>) -> handles_apart;
kind(<<"too_many_handles">>) -> too_many_handles;
kind(<<"refused">>) -> refused;
kind(<<"denied">>) -> denied;
kind(<<"overloaded">>) -> overloaded;
kind(<<"timeout">>) -> timeout;
kind(<<"cancelled">>) -> cancelled;
kind(<<"worker_lost">>) -> worker_lost;
kind(<<"quarantined">>) -> quarantined;
kind(<<"pool_unavailable">>) -> pool_unavailable;
kind(<<"client_gone">>) -> client_gone;
kind(<<"shutting_down">>) -> shutting_down;
kind(<<"disconnected">>) -> disconnected;
kind(<<"node_down">>) -> node_down;
kind(<<"erlang">>) -> erlang;
kind(Kind) -> Kind.
