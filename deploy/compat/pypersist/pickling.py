"""Results as text and bytes."""

from bascule.workers.persist.pickling import pickle as pickle
from bascule.workers.persist.pickling import pickle_to_bytes as pickle_to_bytes
from bascule.workers.persist.pickling import unpickle as unpickle
from bascule.workers.persist.pickling import unpickle_from_bytes as unpickle_from_bytes
