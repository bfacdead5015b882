"""The data path: who gets which frame, on a thread of its own.

`core` decides, without I/O and with the clock passed in; `pump` owns every data descriptor and turns the core. `peers`
are the two kinds of ends (workers and sessions), `calls` is the life of one call, `pools` holds what waits and who
is free, `quarantine` remembers which calls kill workers, `copies` brings handles of two workers together.
"""
