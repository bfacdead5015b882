"""Results at the bridge: answers kept by the router, the commands over stores, and the server for other machines.

policy    what is cached and how long, from the configuration
answers   the router's side: who runs, who waits, what is kept
sharing   how a worker is told to look by what a call means, for clients of other formats
shelves   stores behind a thread of their own, since a router must not wait for a disk
rest      pypersist's REST requests as a pure function over a store;  server  its HTTP server
listing, moving    what `bascule cache` does
"""
