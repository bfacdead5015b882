"""The HTTP door, and the dashboard: the extra `bascule[http]`, imported only when `[http] listen` is configured.

server      the listening socket, and hypercorn on trio
app         ASGI: who asks, and for what; a table of routes that others may add to
entry       which session a request's calls are made in: one for each token
contracts   functions of mounted contracts, as POST /NAMESPACE/FUNCTION
rpc         JSON-RPC 2.0, and streams as server-sent events
live        the figures of each second, for the dashboard and whoever else listens
"""
