"""From arguments to keys."""

from bascule.workers.persist.preprocessing import arg_tuple as arg_tuple
