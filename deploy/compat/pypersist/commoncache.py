"""What the stores have in common."""

from bascule.workers.persist.commoncache import HashCollisionError as HashCollisionError
