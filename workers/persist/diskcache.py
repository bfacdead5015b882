"""`file://`: a folder in pypersist's layout, which people can read, with the bookkeeping in a hidden folder beside.

    persist/triple/HASH.out        the result as text; HASH.key and HASH.meta where they are asked for
    persist/.bascule/slips/triple/HASH   its slip: stamp, checksum over all of the above, the full name
    persist/.bascule/owners/triple       which function has the name `triple` here
    persist/.bascule/locks               one byte for each name (see `locks`)
    persist/.bascule/new/                files on their way: written here, then moved into place

An entry without a slip was written by somebody else (pypersist, a person) and is taken as it is. An entry whose slip
does not fit is damaged. As two files can't be replaced in one step, a reader that finds a misfit looks again, at last
under the lock that writers hold for a moment.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import mmap
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bascule.workers.persist.commoncache import HashCollisionError as HashCollisionError
from bascule.workers.persist.commoncache import Place, Store, unavailable
from bascule.workers.persist.entries import (
    HEAD_SIZE,
    Damaged,
    Entry,
    Listed,
    OtherVersion,
    checked,
    head_of,
    peek,
)
from bascule.workers.persist.filenames import from_file_name, to_file_name
from bascule.workers.persist.locks import KernelLock, Lock, committing

OUT, KEY, META, LOCK = ".out", ".key", ".meta", ".lock"
HIDDEN = ".bascule"
_HAS_KEY, _HAS_META = 1, 2
_ABANDONED = 3600.0  # seconds after which a file on its way will not arrive any more
_numbers = itertools.count()


class FilePlace(Place):
    """A folder.

    Args:
        folder: Made absolute here: a later change of the working folder moves nothing.
        durable: Whether an entry is on the disk, whatever happens to the machine, once it was put.
    """

    text = True

    def __init__(self, folder: str | os.PathLike[str], *, durable: bool = False) -> None:
        self.folder = Path(os.path.abspath(os.path.expanduser(folder)))
        super().__init__(f"file://{self.folder}/", ("file", str(self.folder)))
        self.hidden = self.folder / HIDDEN
        self.durable = durable

    def store(self, function: str) -> FileStore:
        return FileStore(self, function)

    def functions(self) -> Iterator[str]:
        try:
            entries = sorted(os.scandir(self.folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        except OSError as error:
            raise unavailable(self, "can't list", error) from None
        for entry in entries:
            if entry.is_dir() and entry.name != HIDDEN:
                yield from_file_name(entry.name) or _read_text(self.hidden / "names" / entry.name) or entry.name

    def claim(self, function: str, owner: str) -> bool:
        path = self.hidden / "owners" / to_file_name(function)
        try:
            known = _read_text(path)
            if known is None:
                with committing(self.hidden / "locks", f"owner of {function}"):
                    known = _read_text(path)
                    if known is None:
                        self.write(path, owner.encode("utf-8", "surrogatepass"))
                        known = owner
        except OSError:
            return True  # where nothing can be written nobody can be told apart either
        return known == owner

    def write(self, path: Path, data: Any) -> None:
        """A whole file or none."""
        new = self.hidden / "new" / f"{os.getpid()}.{next(_numbers)}"
        try:
            try:
                fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            except FileNotFoundError:
                new.parent.mkdir(parents=True, exist_ok=True)
                fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(fd, view) :]
                if self.durable:
                    os.fsync(fd)
            finally:
                os.close(fd)
            try:
                os.replace(new, path)
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(new, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(new)
            raise
        if self.durable:
            _sync_folder(path.parent)

    def tidy(self, now: float) -> None:
        """Remove files whose writers were killed."""
        with contextlib.suppress(OSError):
            for entry in os.scandir(self.hidden / "new"):
                if now - entry.stat().st_mtime > _ABANDONED:
                    os.unlink(entry.path)


class FileStore(Store):
    """One function's folder."""

    def __init__(self, place: FilePlace, function: str) -> None:
        self.place = place
        self.function = function
        safe = to_file_name(function)
        self.folder = place.folder / safe
        self._slips = place.hidden / "slips" / safe
        self._locks = place.hidden / "locks"
        self._out_of = f"{self.folder}{os.sep}"
        self._slip_of = f"{self._slips}{os.sep}"
        self._tidied = False

    def __repr__(self) -> str:
        return f"file://{self.folder}"

    def get(self, name: str) -> Entry | None:
        safe = to_file_name(name)
        try:
            for look in range(3):
                with committing(self._locks, name) if look == 2 else contextlib.nullcontext():
                    try:
                        value = self._read_value(f"{self._out_of}{safe}{OUT}")
                        slip = _read(f"{self._slip_of}{safe}")
                        return self._foreign(safe, value) if slip is None else self._checked(name, safe, value, slip)
                    except Damaged as damaged:
                        why = damaged
                    except (FileNotFoundError, NotADirectoryError, OtherVersion):
                        return None
        except OSError as error:
            raise unavailable(self, "can't read", error) from None
        self.damaged(name, why)
        return None

    def _checked(self, name: str, safe: str, value: Any, slip: bytes) -> Entry:
        if len(slip) <= HEAD_SIZE:
            raise Damaged("its slip is cut short")
        has = slip[HEAD_SIZE]
        if has > (_HAS_KEY | _HAS_META) or slip[HEAD_SIZE + 1 :] != name.encode("utf-8", "surrogatepass"):
            raise Damaged("its slip is another one's")
        key = _read(f"{self._out_of}{safe}{KEY}") if has & _HAS_KEY else None
        meta = _read(f"{self._out_of}{safe}{META}") if has & _HAS_META else None
        if (has & _HAS_KEY and key is None) or (has & _HAS_META and meta is None):
            raise Damaged("its key or its metadata is gone")
        metadata = None if meta is None else meta.decode("utf-8", "surrogateescape")
        return checked(name, slip[:HEAD_SIZE], value, key, metadata)

    def _foreign(self, safe: str, value: Any) -> Entry:
        meta = _read(f"{self._out_of}{safe}{META}") if self.with_keys else None
        key = _read(f"{self._out_of}{safe}{KEY}") if self.with_keys else None
        return Entry(value, None, key, None if meta is None else meta.decode("utf-8", "replace"))

    def _read_value(self, path: str) -> Any:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            if self.mapped and size:
                return memoryview(mmap.mmap(fd, size, access=mmap.ACCESS_READ))
            return _read_all(fd, size)
        finally:
            os.close(fd)

    def put(self, name: str, entry: Entry) -> None:
        place, safe = self.place, to_file_name(name)
        out = Path(f"{self._out_of}{safe}{OUT}")
        has = (_HAS_KEY if entry.key is not None else 0) | (_HAS_META if entry.metadata is not None else 0)
        if not self._tidied:
            self._tidied = True
            place.tidy(time.time())
            if from_file_name(self.folder.name) is None:
                with contextlib.suppress(OSError):
                    whole = self.function.encode("utf-8", "surrogatepass")
                    place.write(place.hidden / "names" / self.folder.name, whole)
        try:
            with committing(self._locks, name):
                for extension, extra in ((KEY, entry.key), (META, entry.metadata)):
                    if extra is not None:
                        data = extra if isinstance(extra, bytes) else extra.encode("utf-8", "surrogateescape")
                        place.write(Path(f"{self._out_of}{safe}{extension}"), data)
                    else:
                        with contextlib.suppress(FileNotFoundError):
                            os.unlink(f"{self._out_of}{safe}{extension}")
                slip = head_of(name, entry) + bytes([has]) + name.encode("utf-8", "surrogatepass")
                place.write(Path(f"{self._slip_of}{safe}"), slip)
                place.write(out, entry.value)
        except OSError as error:
            raise unavailable(self, "can't write", error) from None

    def delete(self, name: str) -> bool:
        try:
            with committing(self._locks, name):
                return self._remove(to_file_name(name))
        except OSError as error:
            if not self.folder.exists():
                return False
            raise unavailable(self, "can't delete", error) from None

    def _remove(self, safe: str) -> bool:
        """All that belongs to one entry; what others read first goes first."""
        there = False
        for path in (f"{self._out_of}{safe}{OUT}", f"{self._slip_of}{safe}", *self._beside(safe)):
            try:
                os.unlink(path)
                there = there or path.endswith(OUT)
            except FileNotFoundError:
                pass
        return there

    def _beside(self, safe: str) -> list[str]:
        return [f"{self._out_of}{safe}{extension}" for extension in (KEY, META, LOCK)]

    def iterate(self) -> Iterator[Listed]:
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.endswith(OUT) and (listed := self._listed(entry)) is not None:
                        yield listed
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise unavailable(self, "can't list", error) from None

    def _listed(self, entry: os.DirEntry[str]) -> Listed | None:
        safe = entry.name[: -len(OUT)]
        try:
            status = entry.stat()
        except FileNotFoundError:
            return None
        slip = _read(f"{self._slip_of}{safe}")
        stamp = peek(slip) if slip is not None else None
        name = from_file_name(safe)
        if name is None:
            if slip is None:
                return None
            name = slip[HEAD_SIZE + 1 :].decode("utf-8", "replace")
        created = stamp.created if stamp is not None else status.st_mtime
        used = created
        if slip is not None:
            with contextlib.suppress(OSError):
                used = os.stat(f"{self._slip_of}{safe}").st_mtime
        key = _read(f"{self._out_of}{safe}{KEY}") if self.with_keys else None
        return Listed(name, status.st_size, created, used, stamp.expires if stamp is not None else 0.0, key)

    def count(self) -> int:
        try:
            with os.scandir(self.folder) as entries:
                return sum(1 for entry in entries if entry.name.endswith(OUT))
        except (FileNotFoundError, NotADirectoryError):
            return 0
        except OSError as error:
            raise unavailable(self, "can't list", error) from None

    def clear(self) -> None:
        try:
            for folder, extensions in ((self.folder, (OUT, KEY, META, LOCK)), (self._slips, ("",))):
                try:
                    with os.scandir(folder) as entries:
                        for entry in entries:
                            if entry.name.endswith(extensions) and not entry.is_dir(follow_symlinks=False):
                                with contextlib.suppress(FileNotFoundError):
                                    os.unlink(entry.path)
                except (FileNotFoundError, NotADirectoryError):
                    continue
        except OSError as error:
            raise unavailable(self, "can't clear", error) from None

    def lock(self, name: str) -> Lock:
        return KernelLock(self._locks, f"{self.function}\0{name}")

    def touch(self, name: str, now: float) -> None:
        with contextlib.suppress(OSError):
            os.utime(f"{self._slip_of}{to_file_name(name)}", (now, now))

    def add_statistics(self, numbers: dict[str, float]) -> None:
        path = self.place.hidden / "statistics" / self.folder.name
        try:
            with committing(self._locks, f"statistics of {self.function}"):
                known = self.statistics()
                for name, number in numbers.items():
                    known[name] = known.get(name, 0) + number
                self.place.write(path, json.dumps(known).encode())
        except OSError as error:
            raise unavailable(self, "can't write", error) from None

    def statistics(self) -> dict[str, float]:
        text = _read_text(self.place.hidden / "statistics" / self.folder.name)
        try:
            found = json.loads(text or "{}")
            return {str(name): float(number) for name, number in found.items()}
        except (ValueError, TypeError, AttributeError):
            return {}


def _read(path: str) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise
    try:
        return _read_all(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _read_all(fd: int, size: int) -> bytes:
    data = os.read(fd, size + 1)
    if len(data) == size:
        return data
    pieces = [data]  # it grew, or it is so large that it comes in pieces
    while piece := os.read(fd, 1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def _read_text(path: Path) -> str | None:
    try:
        data = _read(os.fspath(path))
    except OSError:
        return None
    if data is None:
        return None
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # damaged: it is nobody's name
        return data.decode("utf-8", "replace")


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
