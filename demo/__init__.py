"""The main job, for real, in a terminal: `make demo`.

A service is started on its embedded defaults; a client, a pod client and, where `erl` is there, an Erlang node call
through it or through bridges of their own. Every step checks its answers, and the exit status is 0 only when all were
right.
"""
