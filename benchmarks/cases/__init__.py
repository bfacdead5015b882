"""The rows. Each module measures what belongs together; `CASES` is their order in the table."""

from __future__ import annotations

from benchmarks.cases import (
    attaching,
    cold_start,
    contracts,
    erlang_port,
    erlport,
    etf,
    fairness,
    mapping,
    memory,
    outstanding,
    payloads,
    pipes,
    pods,
    recording,
    results,
    sketching,
    sockets,
)
from benchmarks.rows import Case

CASES = (
    Case("pipe sequential", pipes.sequential),
    Case("pipe outstanding", pipes.outstanding),
    Case("socket sequential", sockets.sequential),
    Case("outstanding", outstanding.measure),
    Case("map", mapping.measure),
    Case("payload bytes", payloads.measure),
    Case("etf", etf.measure),
    Case("erlang", erlang_port.measure),
    Case("erlport", erlport.measure),
    Case("cold start", cold_start.measure),
    Case("pod sequential", pods.sequential),
    Case("pod concurrent", pods.concurrent),
    Case("pod pipelined", pods.pipelined),
    Case("pod large", pods.large),
    Case("pod attached", attaching.measure),
    Case("memory", memory.measure),
    Case("fairness", fairness.measure),
    Case("contract codecs", contracts.codecs),
    Case("contract compiling", contracts.compiling),
    Case("sketch", sketching.measure),
    Case("results", results.hits_and_misses),
    Case("results together", results.together),
    Case("results a million", results.a_million),
    Case("results at the bridge", results.through_the_bridge),
    Case("record", recording.measure),
    Case("record pipeline", recording.pipeline),
)
