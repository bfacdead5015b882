"""What runs inside a worker process: the standard library, `bascule.protocols` and msgpack, nothing else."""
