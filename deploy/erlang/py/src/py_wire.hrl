%% The numbers of the wire: the same as in Bascule's protocols/envelope.py and protocols/calls.py.

%% What a frame is.
-define(CALL, 1).
-define(REPLY, 2).
-define(ERROR, 3).
-define(CANCEL, 5).
-define(ITEM, 6).
-define(END, 7).
-define(CREDIT, 8).
-define(OUTPUT, 9).
-define(RELEASE, 10).
-define(CONTROL, 11).
-define(CALLBACK, 12).
-define(NESTED, 13).
-define(PLACED, 14).
-define(TRACE, 15).

%% How its payload is written.
-define(ETF, 3).

%% Bits of a frame's flags.
-define(IDEMPOTENT, 1).
-define(CAST, 2).
-define(STREAM, 4).
-define(ERR, 8).
-define(FRESH, 16).

%% What a call does.
-define(OP_CALL, 1).
-define(OP_INIT, 2).
-define(OP_METHOD, 3).
-define(OP_GETATTR, 4).
-define(OP_SETATTR, 5).
-define(OP_DELATTR, 6).
-define(OP_CONST, 7).
-define(OP_OPERATOR, 8).
-define(OP_BUILTIN, 9).
-define(OP_ITERATE, 10).
-define(OP_DESCRIBE, 11).
-define(OP_MAP, 13).

%% How its result travels.
-define(WANT_AUTO, 0).
-define(WANT_VALUE, 1).
-define(WANT_HANDLE, 2).
-define(STR_AS_BINARY, 1).
-define(DICT_AS_MAP, 2).
-define(BINARY_AS_BYTES, 4).
