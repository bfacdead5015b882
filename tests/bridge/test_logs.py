"""What is logged, as systemd's journal hears it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.bridge.operations.logs import JournalHandler, goes_to_journal


def fields_in(datagram: bytes) -> dict[str, str]:
    """What the journal reads in a datagram: NAME=value lines, or a name, a length and that many bytes."""
    found = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, end, rest = rest[8 : 8 + size], rest[8 + size : 9 + size], rest[9 + size :]
            assert (len(value), end) == (size, b"\n")
        found[name.decode()] = value.decode(errors="replace")
        datagram = rest
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[tuple[logging.Logger, socket.socket]]:
    logger = logging.getLogger("bascule.test_logs")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "journal"))
        listening.settimeout(60)
        handler = JournalHandler(tmp_path / "journal")
        logger.addHandler(handler)
        try:
            yield logger, listening
        finally:
            logger.removeHandler(handler)
            handler.close()


def test_a_record_comes_to_the_journal_with_its_fields(journal: tuple[logging.Logger, socket.socket]) -> None:
    logger, listening = journal
    logger.warning("worker %s ended:\nPRIORITY=0", "a/1.2", extra={"pool": "a", "worker": "a/1.2", "cause": "signal"})
    assert fields_in(listening.recv(1 << 20)) == {
        "MESSAGE": "worker a/1.2 ended:\nPRIORITY=0",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "bascule",
        "BASCULE_LOGGER": "bascule.test_logs",
        "BASCULE_POOL": "a",
        "BASCULE_WORKER": "a/1.2",
        "BASCULE_CAUSE": "signal",
    }


def test_a_record_that_is_too_long_is_cut_and_its_fields_are_whole(
    journal: tuple[logging.Logger, socket.socket],
) -> None:
    logger, listening = journal
    logger.error("long\n" * 100_000, extra={"pool": "a"})
    fields = fields_in(listening.recv(1 << 20))
    assert fields["MESSAGE"].startswith("long\nlong\n")
    assert (fields["PRIORITY"], fields["BASCULE_POOL"]) == ("3", "a")


def test_the_journal_is_where_standard_error_leads(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as file:
        info = (tmp_path / "stderr").stat()
        assert goes_to_journal({"JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}"}, file.fileno())
        assert not goes_to_journal({"JOURNAL_STREAM": "1:2"}, file.fileno())
        assert not goes_to_journal({}, file.fileno())
