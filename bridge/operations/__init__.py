"""The operator's side: what can be asked of a running bridge, and what it says by itself.

`control` hears requests in the router's thread and answers what is known there (`descriptions`, `events`, `meter`);
`office` carries out the rest in trio's. `figures` gathers all that is counted, for `prometheus` and the dashboard. To
others speak `logs`, `audit`, `tracing` (spans), `call_trace` (`--record`), and to systemd `notify` and its `attendant`.
"""
