"""The daemon: supervision, routing, doors, and the operator's side. trio on the main thread, the router on its own.

Begin with `app`, which puts a bridge together, and `tree`, which supervises it. Then follow a call:

    listeners, doors     a client's bytes become requests; `admission` and `policy` say who may ask for what
    router               the thread that owns every data descriptor: which worker gets a call, and how each call ends
    scheduling           which worker is next
    caching              answers that are kept, and given without a worker

A worker's life is another story: `supervision` has the words of OTP and the processes, `pool` (with `pool_...`) keeps a
named set of workers at its size. What the command line and configuration files say is read by `cli` and `config`;
`serving` is the service that runs for months, `operations` what its operator asks and is told, `http` its door for
everybody else. `client` has the Python clients.

`contracts`, `sketch`, `recording` and `doctor` are tools that stand beside the bridge. They, and all that is heavy, are
imported only when they are asked for: a pod's and a port's client waits for our start.
"""
