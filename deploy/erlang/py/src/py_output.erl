%% @doc Where the output of Python code goes.
%%
%% What a call prints is printed by its caller, before the call returns: so it stands in order with what the caller
%% prints itself, it goes to the caller's group leader (a remote shell sees it), and who prints much makes nobody else
%% wait. What no call can be told for, and what the caller wants there, goes to the logger.
-module(py_output).

-export([emit/4, log/3]).

-include("py_wire.hrl").

%% @doc In the calling process: show what its call printed.
-spec emit(caller | logger | discard, non_neg_integer(), binary(), atom()) -> ok.
emit(discard, _, _, _) ->
    ok;
emit(logger, Flags, Text, Server) ->
    log(Flags, Text, Server);
emit(caller, Flags, Text, Server) ->
    Device =
        case Flags band ?ERR of
            0 -> group_leader();
            _ -> standard_error
        end,
    try
        io:put_chars(Device, Text)
    catch
        %% A device that is gone, or Latin-1 only and the text is not: the log has it then.
        error:_ -> log(Flags, Text, Server)
    end.

%% @doc To the logger, at level `notice': `domain' is `[py]', `py_stream' says where it was written, `py_server' by which
%% server; the `pid' is that of the caller, where one is known.
-spec log(non_neg_integer(), binary(), atom()) -> ok.
log(Flags, Text, Server) ->
    Stream =
        case Flags band ?ERR of
            0 -> stdout;
            _ -> stderr
        end,
    Metadata = #{domain => [py], py_stream => Stream, py_server => Server},
    logger:notice("~ts", [string:trim(printable(Text), trailing, "\n")], Metadata).

%% The bridge cuts long output anywhere, so a piece may begin or end within a character.
printable(Text) ->
    case unicode:characters_to_binary(Text) of
        Whole when is_binary(Whole) -> Whole;
        _ -> unicode:characters_to_binary(Text, latin1)
    end.
