"""pypersist's kind of server: Eve over MongoDB. `python eve_server.py MONGO_PORT PORT`; all fields are texts."""

from __future__ import annotations

import sys

from eve import Eve
from werkzeug.serving import make_server

TEXT = {"type": "string"}
SETTINGS = {
    "MONGO_HOST": "127.0.0.1",
    "MONGO_PORT": int(sys.argv[1]),
    "MONGO_DBNAME": "pypersist",
    "RESOURCE_METHODS": ["GET", "POST", "DELETE"],
    "ITEM_METHODS": ["GET", "DELETE"],
    "PAGINATION_LIMIT": 100000,
    "DOMAIN": {
        "persist": {
            "url": 'persist/<regex("[^/]+"):funcname>',
            "schema": dict.fromkeys(("funcname", "hash", "namespace", "result", "key", "metadata"), TEXT),
            "additional_lookup": {"url": 'regex("[^/]+")', "field": "hash"},
        }
    },
}

if __name__ == "__main__":
    server = make_server("127.0.0.1", int(sys.argv[2]), Eve(settings=SETTINGS), threaded=True)
    print("ready", flush=True)
    server.serve_forever()
