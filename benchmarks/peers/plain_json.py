"""A plain implementation of JSON for Gugugu's codecs, as somebody would write it after Gugugu's own example: the state
is the JSON value, booleans are no numbers, an Int32 has its range, an integer will do for a Double.
"""

from __future__ import annotations

import json
from typing import Any


def implementations(codec: Any) -> tuple[Any, Any]:
    """An encoder and a decoder for the run time whose module `codec` is given."""

    class Encoder(codec.EncoderImpl):  # type: ignore[misc]
        def encode_with_state(self, k: Any) -> str:
            return json.dumps(k(None))

        def encode_unit(self, s: Any, v: Any) -> Any:
            return {}

        def encode_bool(self, s: Any, v: bool) -> Any:
            return v

        def encode_int32(self, s: Any, v: int) -> Any:
            if isinstance(v, bool) or not -0x80000000 <= v <= 0x7FFFFFFF:
                raise ValueError(v)
            return v

        def encode_double(self, s: Any, v: float) -> Any:
            return v

        def encode_string(self, s: Any, v: str) -> Any:
            return v

        def encode_maybe(self, s: Any, v: Any, k: Any) -> Any:
            return None if v is None else k(s, v)

        def encode_list(self, s: Any, v: list[Any], k: Any) -> Any:
            return [k(s, each) for each in v]

        def encode_record(self, s: Any, n_fields: int, k: Any) -> Any:
            return k({})

        def encode_record_field(self, s: Any, i: int, name: str, k: Any) -> Any:
            s[name] = k(None)
            return s

        def encode_enum(self, s: Any, a: Any, as_index: Any, as_name: Any) -> Any:
            return as_name(a)

    class Decoder(codec.DecoderImpl):  # type: ignore[misc]
        def decode_with_state(self, r: str, k: Any) -> Any:
            return k(json.loads(r))[1]

        def decode_unit(self, s: Any) -> Any:
            return s, None

        def decode_bool(self, s: Any) -> Any:
            if not isinstance(s, bool):
                raise TypeError(s)
            return s, s

        def decode_int32(self, s: Any) -> Any:
            if isinstance(s, bool) or not isinstance(s, int):
                raise TypeError(s)
            if not -0x80000000 <= s <= 0x7FFFFFFF:
                raise ValueError(s)
            return s, s

        def decode_double(self, s: Any) -> Any:
            if isinstance(s, bool) or not isinstance(s, (int, float)):
                raise TypeError(s)
            return s, float(s)

        def decode_string(self, s: Any) -> Any:
            if not isinstance(s, str):
                raise TypeError(s)
            return s, s

        def decode_maybe(self, s: Any, k: Any) -> Any:
            return (s, None) if s is None else k(s)

        def decode_list(self, s: Any, k: Any) -> Any:
            if not isinstance(s, list):
                raise TypeError(s)
            return s, [k(each)[1] for each in s]

        def decode_record(self, s: Any, n_fields: int, k: Any) -> Any:
            if not isinstance(s, dict):
                raise TypeError(s)
            return k(s)

        def decode_record_field(self, s: Any, i: int, name: str, k: Any) -> Any:
            return s, k(s[name])[1]

        def decode_enum(self, s: Any, by_index: Any, by_name: Any) -> Any:
            found = by_name(s)
            if found is None:
                raise ValueError(s)
            return s, found

    return Encoder(), Decoder()
