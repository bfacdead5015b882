"""Keeping children alive, and knowing how they died.

Two levels, in OTP's words and with OTP's meanings. `spec`, `restart`, `lives` and `supervisor` keep *tasks* alive: what
a child is, what to do when one ends (a pure decision), and the nursery that does it. `exits`, `spawn`, `process` and
`guardian` keep *processes*: how one is started, how its death is read, how it and all that it started are brought to an
end. `bascule.bridge.pool` joins the two. Nothing is re-exported here: `exits` and `spawn` must stay importable without
trio.
"""
