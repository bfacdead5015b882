"""Bytes <-> events and values. No I/O, no trio, no pydantic, nothing of Bascule outside this room.

Read `envelope` first (the one frame that everything travels in), then `calls` (what stands at the head of a call),
`tokens` (what a handle looks like), and the value formats. `errors` has the two families of protocol error and the
list of what can go wrong with a call; `limits` has every cap.

A codec (`packed`, `etf`, `jsonic`, `edn`, `transit`) is a module with these functions:

    dumps(value, *, default=None, style=0) -> bytes
        `default` is called for each object, at any depth, that is not carried natively, and gives what to write in its
        place; what it raises comes out as it is. Without it such an object is a TypeError. `style` is what the caller
        has chosen (`calls.Style`), where the format leaves a choice. Too deep, in a circle: LocalProtocolError.
    loads(data, *, handle=None, style=0) -> value
        `data` is one value, whole. `handle` is called with (token, type name) for each handle and gives what to put in
        its place; without it a `tokens.Handle`. What it raises comes out as it is. Anything wrong: RemoteProtocolError.
    dumps_error(error map) -> bytes        keywords(value) -> dict with text as keys

and may have `loader(handle, style)`, `loads` as a function of the data alone, and `error_term(error map)`, an error as
a part of a value.
"""
