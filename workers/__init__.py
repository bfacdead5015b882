"""What runs inside a worker process: the standard library, `bascule.protocols` and msgpack, nothing else.

In the order in which a worker lives: `launch` is the command line that the bridge starts, `boot` makes a worker of the
bare interpreter, `loop` reads frames (`threads`, where several calls run at a time), `running` is the life of one call.

A call goes through `calls` (operation and target to a function), `names` (text to object), `values` and `converters`
(payload to arguments, result to payload), `objects` (handles), `coroutines`; a stream also through `streams` and
`streaming`. Code that asks its client something goes through `caller` and `callbacks`, and what the client calls
meanwhile through `nesting`.

Around user code stand `cancel` (stopping it), `output` (what it prints), `forks` (its children), `errors` and `explain`
(what its caller is told). `wire` and `page` are the two ways to the bridge.

An idle worker's memory is measured: what these modules import when they are loaded is in every one of them.
"""
