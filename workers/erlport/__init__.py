"""`bascule-erlport`: the process that ErlPort's Erlang modules start instead of ErlPort's own Python.

One process, one hop: the port's descriptors go straight to the loop here, no bridge stands between, and the end of the
process is the port's exit.

`command` reads ErlPort's command line and takes the descriptors; `loop` decides which thread reads and which runs what;
`pool` and `lane` are the threads besides the main one; `exchange` makes an answer of a call; `calling` finds functions
and describes errors; `stdio` is what user code prints to; `leaving` is the end. `api` is what user code imports: the
folder `modules` has `erlport`, `erlport.erlang` and `erlport.erlterms`, and is on the path of this process alone.
"""
