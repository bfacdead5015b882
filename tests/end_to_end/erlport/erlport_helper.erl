%% What the Python fixture calls.
-module(erlport_helper).

-export([same/1, late/2, down/2, throws/1]).

-import(erlport_instance, [call/3]).

same(Value) -> Value.

late(Value, Milliseconds) ->
    receive after Milliseconds -> Value end.

down(_, 0) -> 0;
down(Instance, Depth) -> 1 + call(Instance, down, [Instance, Depth - 1]).

throws(Value) -> throw(Value).
