"""From keys to names."""

from bascule.workers.persist.hashing import hash as hash
