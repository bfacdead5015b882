"""The HTTP door of a service, where one is configured: hypercorn is not even looked for where none is.

It is prepared before there is a supervision tree that it could look at, and before a reload changes anything: all that
can fail has then been done. A reload closes the door and opens another, at the same socket where its place is the
same.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from bascule.bridge.admission import files_of
from bascule.bridge.app import Bridge
from bascule.bridge.config import ConfigError, ServiceConfig
from bascule.bridge.operations.figures import Gatherer
from bascule.bridge.supervision.spec import ChildSpec
from bascule.bridge.tree import Tree

if TYPE_CHECKING:
    from bascule.bridge.http.server import HttpDoor, Prepared

_CHILD = "http"


class Web:
    """The HTTP door of one bridge, as it is now.

    Args:
        bridge: What it leads to.
    """

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._door: HttpDoor | None = None
        self._prepared: Prepared | None = None

    def open(self, config: ServiceConfig) -> None:
        """Prepare the first door.

        Raises:
            ConfigError: What HTTP needs is not installed.
            ListenRefused: It can't listen, or what it is told to use can't be used.
        """
        need_http(config)
        if config.http.listen is not None:
            self._prepared = self.prepare(config)

    def close(self) -> None:
        """Listen no more."""
        if self._door is not None:
            self._door.close()
        elif self._prepared is not None:
            self._prepared.place.close()

    def prepare(self, config: ServiceConfig) -> Prepared:
        """All of a door that can fail.

        Raises:
            ListenRefused: It can't listen, or what it is told to use can't be used.
        """
        from bascule.bridge.http.server import prepare

        return prepare(self._bridge, config.http, None if self._door is None else self._door.place)

    def is_renewed(self, after: ServiceConfig) -> bool:
        """Whether the certificate or the tokens of the door that runs are others by now."""
        return self._door is not None and self._door.files != files_of(after.http)

    def discard(self, prepared: Prepared) -> None:
        """Something else can't be changed: the door that runs goes on, at its place."""
        if self._door is None or prepared.place is not self._door.place:
            prepared.place.close()

    def children(self, config: ServiceConfig, tree: Tree, gatherer: Gatherer) -> list[ChildSpec]:
        """The door that was prepared, as a child to start; none where none is configured."""
        if self._prepared is None:
            return []
        return [self._make(config, self._prepared, tree, gatherer)]

    async def change(self, after: ServiceConfig, prepared: Prepared | None, tree: Tree, gatherer: Gatherer) -> None:
        """Close the door and open another one, or none."""
        before, self._door = self._door, None
        if before is not None:
            await tree.remove_child(_CHILD)
            if prepared is None or before.place is not prepared.place:
                before.close()
        if prepared is not None:
            await tree.start_child(self._make(after, prepared, tree, gatherer))

    def _make(self, config: ServiceConfig, prepared: Prepared, tree: Tree, gatherer: Gatherer) -> ChildSpec:
        from bascule.bridge.http.live import Live
        from bascule.bridge.http.server import HttpDoor

        self._prepared = None
        self._door = HttpDoor(config.http, prepared, Live(tree, gatherer))
        return ChildSpec(_CHILD, self._door.run)


def need_http(config: ServiceConfig) -> None:
    """See that what HTTP needs is installed.

    Raises:
        ConfigError: It is not.
    """
    if config.http.listen is not None and find_spec("hypercorn") is None:
        raise ConfigError("http.listen: the library hypercorn is missing: pip install 'bascule[http]'")
