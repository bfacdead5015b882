"""`bascule doctor`: what of this machine would keep a service from working, and what to do about it.

Each module looks at one thing and yields findings; none changes anything. `checkup` runs them all, in the order in
which one would look: what a later one needs comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bascule.bridge.doctor import collisions, machine, modules, pythons, runtimes, sockets, systemd
from bascule.bridge.doctor.findings import Finding, Level, Patient

__all__ = ["Finding", "Level", "Patient", "checkup"]


def checkup(patient: Patient, names: Sequence[str] = ()) -> Iterator[Finding]:
    """Everything that there is to say.

    Args:
        patient: The service as it is, or would be, configured.
        names: Modules that are to be called.
    """
    yield from pythons.bridge()
    for pool in patient.pools:
        healthy = True
        for finding in pythons.pool(pool):
            healthy = healthy and finding.level is not Level.PROBLEM
            yield finding
        yield from collisions.pool(pool)
        if healthy:
            yield from modules.pool(pool, names)
        yield from modules.scheduler(pool)
    yield from sockets.check(patient.sockets, patient.addresses)
    yield from machine.check(patient)
    yield from systemd.check()
    yield from runtimes.check()
