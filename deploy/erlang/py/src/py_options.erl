%% @doc The options that each call takes as its last argument, and that the application environment can preset.
%%
%% <ul>
%% <li>`timeout': milliseconds or `infinity'. Past it the work is stopped, not only the waiting.</li>
%% <li>`strings': how a Python str comes, `charlist' (the default) or `binary'.</li>
%% <li>`maps': how a dict comes, `false' (the default): `{"dict", [{K, V}]}', `true': a map.</li>
%% <li>`binaries': what a binary argument is in Python, `text' (the default) or `bytes'.</li>
%% <li>`want': `auto' (the default): a value where one can travel faithfully, else a handle; `value'; `handle'.</li>
%% <li>`on_error': `raise' (the default) or `return', which makes every call answer `{ok, Value}' or
%%     `{error, Map}'.</li>
%% <li>`output': where what the call prints goes, to the group leader of the `caller' (the default), to the `logger', or
%%     `discard'.</li>
%% <li>`idempotent': `true' lets the bridge run the call again when its worker died.</li>
%% <li>`fresh': `true' has a function run whose answers the bridge keeps; its new answer is kept.</li>
%% <li>`traceparent': the W3C trace context of what the caller does, for a bridge that makes spans.</li>
%% <li>`worker': the slot of the Python worker that shall run the call, as {@link py:workers/1} lists them.</li>
%% <li>`server': which server, by name; not for the application environment.</li>
%% </ul>
-module(py_options).

-export([server/1, choose/2, defaults/1]).

-export_type([options/0]).

%% Erlang's timers reach 49 days.
-define(LONGEST, 4_000_000_000).
%% Bytes of a trace context.
-define(MAX_TRACE, 512).

-include("py_wire.hrl").
-include("py_server.hrl").

-type options() :: #{
    timeout => non_neg_integer() | infinity,
    strings => charlist | binary,
    maps => boolean(),
    binaries => text | bytes,
    want => auto | value | handle,
    on_error => raise | return,
    output => caller | logger | discard,
    idempotent => boolean(),
    fresh => boolean(),
    worker => any | non_neg_integer(),
    traceparent => binary(),
    server => atom()
}.

%% @doc The name of the server that the call goes to.
-spec server(options()) -> atom().
server(#{server := Name}) -> Name;
server(_) -> default.

%% @doc A call's choice: its options over the server's defaults.
-spec choose(options(), #choice{}) -> #choice{}.
choose(Options, Defaults) when map_size(Options) =:= 0 ->
    Defaults;
choose(Options, Defaults) when is_map(Options) ->
    maps:fold(
        fun(Key, Value, Choice) ->
            case set(Key, Value, Choice) of
                error -> refuse(Key, Value);
                Changed -> Changed
            end
        end,
        Defaults,
        Options
    );
choose(Options, _) ->
    py_error:raise(bad_arguments, "options are a map, not ~0tp", [Options]).

%% @doc The defaults of a server, out of its configuration.
-spec defaults(map()) -> {ok, #choice{}} | {error, Key :: term(), Value :: term()}.
defaults(Options) ->
    maps:fold(
        fun
            (Key, Value, {ok, Choice}) when Key =/= server ->
                case set(Key, Value, Choice) of
                    error -> {error, Key, Value};
                    Changed -> {ok, Changed}
                end;
            (Key, Value, {ok, _}) ->
                {error, Key, Value};
            (_, _, Error) ->
                Error
        end,
        {ok, #choice{}},
        Options
    ).

set(timeout, infinity, Choice) -> Choice#choice{timeout = infinity};
set(timeout, Ms, Choice) when is_integer(Ms), Ms > ?LONGEST -> Choice#choice{timeout = infinity};
set(timeout, Ms, Choice) when is_integer(Ms), Ms >= 0 -> Choice#choice{timeout = max(1, Ms)};
set(strings, charlist, Choice) -> style(off, ?STR_AS_BINARY, Choice);
set(strings, binary, Choice) -> style(on, ?STR_AS_BINARY, Choice);
set(maps, false, Choice) -> style(off, ?DICT_AS_MAP, Choice);
set(maps, true, Choice) -> style(on, ?DICT_AS_MAP, Choice);
set(binaries, text, Choice) -> style(off, ?BINARY_AS_BYTES, Choice);
set(binaries, bytes, Choice) -> style(on, ?BINARY_AS_BYTES, Choice);
set(want, auto, Choice) -> Choice#choice{want = ?WANT_AUTO};
set(want, value, Choice) -> Choice#choice{want = ?WANT_VALUE};
set(want, handle, Choice) -> Choice#choice{want = ?WANT_HANDLE};
set(on_error, How, Choice) when How =:= raise; How =:= return -> Choice#choice{on_error = How};
set(output, Where, Choice) when Where =:= caller; Where =:= logger; Where =:= discard -> Choice#choice{output = Where};
set(worker, any, Choice) -> Choice#choice{worker = any};
set(worker, Slot, Choice) when is_integer(Slot), Slot >= 0, Slot < 65536 -> Choice#choice{worker = Slot};
set(traceparent, Context, Choice) when is_binary(Context), byte_size(Context) =< ?MAX_TRACE ->
    Choice#choice{traceparent = Context};
set(idempotent, true, Choice) -> flag(on, ?IDEMPOTENT, Choice);
set(idempotent, false, Choice) -> flag(off, ?IDEMPOTENT, Choice);
set(fresh, true, Choice) -> flag(on, ?FRESH, Choice);
set(fresh, false, Choice) -> flag(off, ?FRESH, Choice);
set(server, Name, Choice) when is_atom(Name) -> Choice;
set(_, _, _) -> error.

style(on, Bit, #choice{style = Style} = Choice) -> Choice#choice{style = Style bor Bit};
style(off, Bit, #choice{style = Style} = Choice) -> Choice#choice{style = Style band bnot Bit}.

flag(on, Bit, #choice{flags = Flags} = Choice) -> Choice#choice{flags = Flags bor Bit};
flag(off, Bit, #choice{flags = Flags} = Choice) -> Choice#choice{flags = Flags band bnot Bit}.

-spec refuse(term(), term()) -> no_return().
refuse(Key, Value) ->
    py_error:raise(
        bad_arguments,
        "the option ~0tp => ~0tp is unknown or has a wrong value; there are timeout (ms or infinity), "
        "strings (charlist or binary), maps (true or false), binaries (text or bytes), want (auto, value or handle), "
        "on_error (raise or return), output (caller, logger or discard), idempotent (true or false), "
        "fresh (true or false), worker (a slot), traceparent (a binary) and server (a name)",
        [Key, Value]
    ).
