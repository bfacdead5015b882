"""The ways in. A door turns a client's bytes into requests and the router's answers into bytes, and nothing else."""
