"""ErlPort's conversation: what the unmodified Erlang modules `python` and `erlport` say to their Python, and hear.

`terms` has the classes that user code meets, `decode` and `encode` the two ways between them and External Term Format,
`atoms` the bookkeeping that protects the node's atom table, `messages` the conversation itself.
"""
