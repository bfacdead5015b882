"""Who hears of each call's end: the audit, the spans, both or nobody.

The router asks for one function, and pays nothing for it while nobody wants to hear. It is changed in the router's own
thread, so that a call is told of by the one that was there when it ended.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from bascule.bridge.app import Bridge
from bascule.bridge.config import ConfigError, ServiceConfig
from bascule.bridge.operations.audit import AuditLog

if TYPE_CHECKING:
    from bascule.bridge.operations.tracing import Tracing
    from bascule.bridge.router.calls import Call
    from bascule.bridge.router.peers import Session


class Accounts:
    """The audit and the spans of one bridge, as they are now.

    Args:
        bridge: Whose calls they tell of.
    """

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._tracing: Tracing | None = None
        self.audit: AuditLog | None = None

    def close(self) -> None:
        """Write and send what is left."""
        if self.audit is not None:
            self.audit.close()
        if self._tracing is not None:
            self._tracing.close()

    def open_audit(self, config: ServiceConfig) -> AuditLog | None:
        """The audit log that a configuration wants; it hears of nothing yet.

        Raises:
            ConfigError: Its file can't be written.
        """
        if config.audit.file is None:
            return None
        try:
            return AuditLog(self._bridge.core, config.audit.file)
        except OSError as error:
            raise ConfigError(f"audit.file: {config.audit.file}: {error.strerror}") from None

    def set_audit(self, audit: AuditLog | None) -> None:
        """Another audit log from now on."""
        before, self.audit = self.audit, audit
        self._tell_of_calls()
        if before is not None:
            before.close()

    def set_tracing(self, config: ServiceConfig) -> None:
        """Other spans from now on. It blocks while the last ones of before are sent.

        Raises:
            ConfigError: What spans need is not installed.
        """
        need_otel(config)
        before, self._tracing = self._tracing, None
        if config.tracing.endpoint is not None:
            from bascule.bridge.operations.tracing import Tracing

            told = config.tracing
            self._tracing = Tracing(
                self._bridge.core, config.tracing.endpoint, told.headers, sample=told.sample, service=told.service
            )
        self._tell_of_calls()
        if before is not None:
            before.close()

    def _tell_of_calls(self) -> None:
        audit, tracing = self.audit, self._tracing
        note = None if audit is None else audit.note

        def note_and_end(session: Session, target: bytes, outcome: str, call: Call | None) -> None:
            if note is not None:
                note(session, target, outcome, call)
            if tracing is not None:
                tracing.ended(session, target, outcome, call)

        def change() -> None:
            self._bridge.core.audit = note if tracing is None else note_and_end
            self._bridge.core.tracing = tracing

        self._bridge.pump.post(change)


def need_otel(config: ServiceConfig) -> None:
    """See that what spans need is installed.

    Raises:
        ConfigError: It is not.
    """
    if config.tracing.endpoint is not None and find_spec("opentelemetry") is None:
        raise ConfigError("tracing.endpoint: the library opentelemetry is missing: pip install 'bascule[otel]'")
