"""Why a recording can't start."""

from __future__ import annotations


class RecordError(Exception):
    """A recording can't start or can't be read; the message says why and what to do."""


class RecorderBusy(RecordError):
    """Something else in this process is where the recorder has to be."""


class UnknownInterpreter(RecordError):
    """This interpreter can't be recorded."""
