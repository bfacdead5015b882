"""Results on a REST server."""

from bascule.workers.persist.commoncache import HashCollisionError as HashCollisionError
from bascule.workers.persist.mapping import Cache as Cache
from bascule.workers.persist.mapping import CacheWithKeys as CacheWithKeys
from bascule.workers.persist.mongodbcache import rest_url as rest_url
