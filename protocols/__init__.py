"""Bytes <-> events and values. No I/O, no trio, no pydantic, nothing of Bascule outside this room.

Read `envelope` first (the one frame that everything travels in), then `calls` (what stands at the head of a call),
`tokens` (what a handle looks like), and the value formats. `errors` has the two families of protocol error and the
list of what can go wrong with a call; `limits` has every cap.
"""
