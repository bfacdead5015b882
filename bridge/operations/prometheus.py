"""Figures in Prometheus' text format, by the `prometheus-client` library (the extra `bascule[metrics]`)."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from bascule.bridge.operations.figures import Figures
from bascule.bridge.operations.meter import BUCKETS, ERRORS, SUM, Row, upper


class _Told(Collector):
    """The figures of one moment."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        status = figures.status
        yield InfoMetricFamily("bascule", "What runs.", value={"version": status["bascule"]})
        outcomes = CounterMetricFamily("bascule_calls", "Calls that ended, by outcome.", labels=["outcome"])
        for outcome in ("reply", "error", "late"):
            outcomes.add_metric([outcome], status["calls"][outcome])
        yield outcomes
        yield GaugeMetricFamily(
            "bascule_calls_outstanding", "Accepted, not ended.", value=status["calls"]["outstanding"]
        )
        yield GaugeMetricFamily("bascule_sessions", "Connected clients.", value=status["sessions"])
        if status["cache"] is not None:
            answers = CounterMetricFamily("bascule_cache", "Calls of cached functions, by outcome.", labels=["outcome"])
            for outcome, count in status["cache"].items():
                answers.add_metric([outcome], count)
            yield answers
        yield from _pools(figures)
        yield from _functions(figures)
        ends = CounterMetricFamily("bascule_worker_ends", "Workers that ended, by cause.", labels=["pool", "cause"])
        for (pool, cause), count in figures.ends.items():
            ends.add_metric([pool, cause], count)
        yield ends
        yield from _processes(figures)


def _pools(figures: Figures) -> Iterator[Metric]:
    told = {
        "size": ("bascule_pool_size", "Workers that shall take calls."),
        "active": ("bascule_pool_active", "Workers that take calls."),
        "spares": ("bascule_pool_spares", "Ready workers that stand by."),
        "queued": ("bascule_pool_queued", "Calls that wait for a worker."),
        "queued_bytes": ("bascule_pool_queued_bytes", "Bytes of the calls that wait."),
    }
    for key, (name, text) in told.items():
        gauge = GaugeMetricFamily(name, text, labels=["pool"])
        for pool, state in figures.status["pools"].items():
            gauge.add_metric([pool], state[key])
        yield gauge
    available = GaugeMetricFamily("bascule_pool_available", "1 while the pool takes calls.", labels=["pool"])
    for pool, state in figures.status["pools"].items():
        available.add_metric([pool], 0 if state["failed"] else 1)
    yield available


def _functions(figures: Figures) -> Iterator[Metric]:
    labels = ["pool", "function"]
    seconds = HistogramMetricFamily("bascule_call_seconds", "How long calls took in their workers.", labels=labels)
    errors = CounterMetricFamily("bascule_call_errors", "Calls that raised.", labels=labels)
    for pool, rows in figures.rows.items():
        for function, row in rows.items():
            seconds.add_metric([pool, function], _buckets(row), row[SUM] / 1_000_000)
            if row[ERRORS]:
                errors.add_metric([pool, function], row[ERRORS])
    yield seconds
    yield errors


def _buckets(row: Row) -> list[tuple[str, float]]:
    """Cumulative, from 16 microseconds up: the buckets below are of no use to anybody."""
    found: list[tuple[str, float]] = []
    below = 0
    for bucket in range(BUCKETS):
        below += row[bucket]
        if 4 <= bucket < BUCKETS - 4:
            found.append((repr(upper(bucket)), below))
    return [*found, ("+Inf", below)]


def _processes(figures: Figures) -> Iterator[Metric]:
    told = {
        "resident": (GaugeMetricFamily, "bascule_process_resident_bytes", "Memory that is resident."),
        "cpu": (CounterMetricFamily, "bascule_process_cpu_seconds", "Processor time."),
        "read": (CounterMetricFamily, "bascule_process_read_bytes", "Bytes read, from pipes and sockets too."),
        "written": (CounterMetricFamily, "bascule_process_written_bytes", "Bytes written."),
    }
    for key, (family, name, text) in told.items():
        metric = family(name, text, labels=["process"])
        for process, usage in figures.processes.items():
            metric.add_metric([_place(process)], usage[key])
        yield metric
    handles = GaugeMetricFamily("bascule_worker_handles", "Objects that clients hold in a worker.", labels=["process"])
    for worker, count in figures.handles.items():
        handles.add_metric([_place(worker)], count)
    yield handles


def _place(process: str) -> str:
    """A worker's pool and slot: a label for each of its lives would make series without end."""
    return process.rpartition(".")[0] or process


def render(figures: Figures) -> str:
    """The figures as text."""
    registry = CollectorRegistry()
    registry.register(_Told(figures))
    return generate_latest(registry).decode()
