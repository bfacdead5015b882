"""Results in a folder."""

from bascule.workers.persist.commoncache import HashCollisionError as HashCollisionError
from bascule.workers.persist.diskcache import KEY as KEY
from bascule.workers.persist.diskcache import LOCK as LOCK
from bascule.workers.persist.diskcache import META as META
from bascule.workers.persist.diskcache import OUT as OUT
from bascule.workers.persist.mapping import Cache as Cache
from bascule.workers.persist.mapping import CacheWithKeys as CacheWithKeys
