"""Why a recording can't start, and where the one of this process is found."""

from __future__ import annotations

MARK = "_bascule_recording"
"""The attribute of `sys` that is the recording: two copies of Bascule in one process see each other's."""


class RecordError(Exception):
    """A recording can't start or can't be read; the message says why and what to do."""


class RecorderBusy(RecordError):
    """Something else in this process is where the recorder has to be."""


class UnknownInterpreter(RecordError):
    """This interpreter can't be recorded."""
