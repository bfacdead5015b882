"""`bascule cache`: what it shows, what it removes, and that its server is one for pypersist's own client."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bascule.bridge.caching.rest import Request, Response, respond
from bascule.workers.persist import Place, open_place, persist
from bascule.workers.persist.entries import Entry, Form, Stamp
from tests.workers.persist.servers import bascule_server

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache-home"))
    return tmp_path


@pytest.fixture(params=["file", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A store with results of two functions."""
    place = open_place(f"{request.param}://{tmp_path}/store")
    f = persist(cache=place, funcname="f", storekey=True)(lambda x: [x] * 3)
    for x in range(3):
        f(x)
    g = persist(cache=place, funcname="pow", pickle=str, unpickle=int, hash=lambda k: f"{k[0][1]} squared", ttl="1h")
    g(lambda x: x * x)(7)
    f.statistics.hand_in()
    return place


def bascule(*arguments: str, status: int = 0, input: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bascule", "cache", *arguments]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    told = subprocess.run(command, capture_output=True, text=True, env=environment, input=input, check=False)
    assert told.returncode == status, told
    return told


def lines(told: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.stdout.splitlines()]


def test_ls_stats_show_and_get_tell_what_is_there(place: Place) -> None:
    store = ("--store", place.url)
    functions = lines(bascule("ls", "--json", *store))
    assert {each["function"]: each["entries"] for each in functions} == {"f": 3, "pow": 1}
    (entry,) = lines(bascule("ls", "pow", "--json", *store))
    assert (entry["name"], entry["size"]) == ("7 squared", 2)
    assert entry["expires"] == pytest.approx(entry["created"] + 3600)
    assert "7 squared" in bascule("ls", "pow", *store).stdout
    (stats,) = lines(bascule("stats", "f", "--json", *store))
    assert (stats["entries"], stats["misses"]) == (3, 3)
    assert "3 misses" in bascule("stats", "f", *store).stdout
    shown = bascule("show", "pow", "7 squared", *store).stdout
    assert "form       text" in shown
    assert bascule("get", "pow", "7 squared", *store).stdout == "49"
    name = next(place.store("f").iterate()).name
    assert bascule("get", "--load", *store, "--", "f", name).stdout in {"[0, 0, 0]\n", "[1, 1, 1]\n", "[2, 2, 2]\n"}


def test_clear_and_prune_remove_what_they_say(place: Place) -> None:
    store = ("--store", place.url)
    place.store("pow").put("old", Entry(b"1", Stamp(1000.0, 2000.0)))
    assert lines(bascule("prune", "--json", *store)) == [
        {"function": "f", "removed": 0},
        {"function": "pow", "removed": 1},
    ]
    bascule("prune", "--max-entries", "1", *store)
    assert (place.store("f").count(), place.store("pow").count()) == (1, 1)
    bascule("prune", "pow", "--unused", "0s", *store)
    assert place.store("pow").count() == 0
    assert "say whose" in bascule("clear", *store, status=2).stderr
    bascule("clear", "f", *store)
    assert place.store("f").count() == 0
    bascule("clear", "--all", *store)


def test_what_is_exported_can_be_imported_elsewhere(place: Place, tmp_path: Path) -> None:
    bascule("export", "--store", place.url, "--file", "all.jsonl")
    assert len((tmp_path / "all.jsonl").read_text().splitlines()) == 4
    elsewhere = open_place(f"sqlite://{tmp_path}/elsewhere.db")
    assert "4 entries stored" in bascule("import", "--store", elsewhere.url, "--file", "all.jsonl").stderr
    copied = elsewhere.store("pow").get("7 squared")
    assert copied is not None
    assert bytes(copied.value) == b"49"
    f = persist(cache=elsewhere, funcname="f", storekey=True)(lambda x: "computed")
    assert set(f.cache) == {(("x", number),) for number in range(3)}
    told = bascule("import", "--store", elsewhere.url, input="{}\n", status=1)
    assert "line 1 is no entry" in told.stderr


def test_verify_finds_what_is_damaged_and_removes_it(tmp_path: Path) -> None:
    f = persist(cache="file://store", funcname="f")(lambda x: x)
    f(1)
    f(2)
    assert "2 good, 0 damaged" in bascule("verify", "--store", "file://store").stdout
    entry = next((tmp_path / "store" / "f").glob("*.out"))
    entry.write_bytes(b"A" + entry.read_bytes()[1:-1])
    told = bascule("verify", "--store", "file://store", status=1)
    assert "1 good, 1 damaged" in told.stdout
    assert "2 good" not in bascule("verify", "--store", "file://store").stdout


@pytest.mark.parametrize(
    ("action", "shown"), [("verify", "reading f"), ("prune", "pruning f"), ("export", "writing"), ("import", "storing")]
)
def test_progress_is_shown_on_a_terminal(action: str, shown: str, tmp_path: Path) -> None:
    place = open_place(f"sqlite://{tmp_path}/store.db")
    persist(cache=place, funcname="f")(lambda x: x)(1)
    (tmp_path / "out").write_text("")
    more = ("--file", str(tmp_path / "out")) if action in ("export", "import") else ()
    command = [sys.executable, "-m", "bascule", "cache", action, *more, "--store", place.url]
    environment = dict(os.environ, PYTHONPATH=str(ROOT), TERM="xterm")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    told = b""
    with contextlib.suppress(OSError):  # EIO: nobody has the terminal any more
        while data := os.read(ours, 65536):
            told += data
    os.close(ours)
    assert process.wait(60) == 0
    assert shown in told.decode(), told


def test_a_wrong_command_line_says_what_is_missing(tmp_path: Path) -> None:
    assert "has no entry 'n'" in bascule("get", "f", "n", "--store", f"sqlite://{tmp_path}/x.db", status=2).stderr
    assert "FUNCTION, NAME" in bascule("show", "--store", "memory://", status=2).stderr
    assert "'0' is no whole number" in bascule("prune", "--max-bytes", "0", status=2).stderr
    assert "no store has the scheme" in bascule("ls", "--store", "carrier-pigeon://x", status=2).stderr
    assert "is no time span" in bascule("prune", "--unused", "soon", "--store", "memory://", status=2).stderr


# ---- The server -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["file", "sqlite", "memory"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    store = "memory://served" if request.param == "memory" else f"{request.param}://{folder}/store"
    with bascule_server(folder, store) as url:
        yield url


THEIR_CLIENT = """
import sys
from pypersist import persist, hashing
assert "site-packages" in hashing.__file__, hashing.__file__
url = sys.argv[1]
calls = []

@persist(cache=url)
def ends(string):
    calls.append(string)
    return string[0] + string[-1]

ends.clear()
assert [ends("Hello World!"), ends("Doctor"), ends("Doctor")] == ["H!", "Dr", "Dr"]
assert calls == ["Hello World!", "Doctor"], calls
assert len(ends.cache) == 2
del ends.cache[(("string", "Hello World!"),)]
assert len(ends.cache) == 1
ends.cache[(("string", "Doctor"),)] = "again"
assert ends("Doctor") == "again" and len(ends.cache) == 1

@persist(cache=url, storekey=True, metadata=lambda: "by the test")
def alternating(string):
    return string[::2]

alternating.clear()
words = ["word %d" % number for number in range(60)]
assert [alternating(word) for word in words] == [word[::2] for word in words]
assert sorted(alternating.cache.values()) == sorted(word[::2] for word in words)
assert {key[0][1] for key in alternating.cache} == set(words)

@persist(cache=url, key=str, hash=lambda k: k, unhash=lambda s: s)
def odd(x):
    calls.append(x)
    return x + "!"

odd.clear()
del calls[:]
for hash in ["a b", "a/b", "a?b=1", "u: \\u00fc", "50% of", "it's", "x" * 300]:
    assert odd(hash) == odd(hash) == hash + "!", hash
assert len(calls) == 7, calls
odd.clear()
assert len(odd.cache) == 0
print("all right")
"""


def test_pypersists_own_client_works_against_it(server: str, tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(THEIR_CLIENT)
    url = server.replace("mongodb+http", "mongodb", 1)
    command = [sys.executable, "theirs.py", url.replace("mongodb://", "mongodb://http://")]
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = subprocess.run(command, cwd=tmp_path, env=outside, capture_output=True, text=True, check=False)
    assert told.stdout == "all right\n", told.stderr


def test_results_that_persist_stored_are_text_that_pypersist_reads(tmp_path: Path) -> None:
    import base64
    import pickle

    place = open_place(f"sqlite://{tmp_path}/native.db")
    for value in ({"a": [1]}, b"bytes" * 10):
        f = persist(cache=place, funcname="f")(lambda x, value=value: value)
        f(1)
        (item,) = get(place, "/persist/f").document["_items"]
        assert pickle.loads(base64.urlsafe_b64decode(item["result"])) == value
        f.clear()


def get(place: Place, target: str, method: str = "GET", **more: Any) -> Response:
    return respond(place, "/persist/", Request(method, target, **more))


def document(**more: str) -> dict[str, Any]:
    body = json.dumps({"hash": "h", "result": "gARLAS4=", "funcname": "f", **more}).encode()
    return {"body": body, "content_type": "application/json"}


def test_the_shape_of_the_answers_is_eves() -> None:
    place = open_place("memory://shape")
    place.store("f").clear()
    assert get(place, "/persist/f").document == {"_items": [], "_meta": {"page": 1, "max_results": 1, "total": 0}}
    posted = get(place, "/persist/f", "POST", **document(key="k", metadata="m"))
    assert (posted.status, posted.document["_status"]) == (201, "OK")
    found = get(place, "/persist/f/h")
    assert found.status == 200
    assert {name: found.document[name] for name in ("_id", "_etag")} == {
        name: posted.document[name] for name in ("_id", "_etag")
    }
    assert (found.document["result"], found.document["key"], found.document["metadata"]) == ("gARLAS4=", "k", "m")
    by_id = f"/persist/f/{found.document['_id']}"
    assert get(place, by_id).document == found.document
    assert get(place, by_id, "DELETE").status == 428
    assert get(place, by_id, "DELETE", if_match="other").status == 412
    assert get(place, by_id, "DELETE", if_match=found.document["_etag"]).status == 204
    assert get(place, "/persist/f/h").document["_error"]["code"] == 404


def test_pages_cover_everything_once() -> None:
    place = open_place("memory://pages")
    for number in range(45):
        place.store("f").put(str(number), Entry(b"x", Stamp(1.0, form=Form.TEXT)))
    pages = [get(place, f"/persist/f?max_results=20&page={page}").document for page in (1, 2, 3, 4)]
    assert [len(page["_items"]) for page in pages] == [20, 20, 5, 0]
    assert {item["hash"] for page in pages for item in page["_items"]} == set(map(str, range(45)))
    assert all(page["_meta"]["total"] == 45 for page in pages)
    assert len(get(place, "/persist/f").document["_items"]) == 45
    assert get(place, "/persist/f?max_results=0").status == 400


@pytest.mark.parametrize(
    ("method", "target", "more", "status"),
    [
        ("GET", "/elsewhere", {}, 404),
        ("POST", "/persist/", {}, 405),
        ("PUT", "/persist/f", {}, 405),
        ("POST", "/persist/f", {"body": b"{}", "content_type": "text/plain"}, 415),
        ("POST", "/persist/f", {"body": b"{", "content_type": "application/json"}, 400),
        ("POST", "/persist/f", {"body": b"[]", "content_type": "application/json"}, 422),
        ("POST", "/persist/f", {"body": b'{"hash": "h"}', "content_type": "application/json"}, 422),
        ("POST", "/persist/f", document(color="red"), 422),
        ("POST", "/persist/g", document(), 422),
        ("GET", "/persist/f?page=first", {}, 400),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(method: str, target: str, more: dict[str, Any], status: int) -> None:
    answer = get(open_place("memory://bad"), target, method, **more)
    assert answer.status == status
    assert answer.document["_error"]["message"]


def test_a_page_of_another_name_and_a_body_beyond_the_limit_are_refused(server: str) -> None:
    address = server.partition("://")[2].partition("/")[0]
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", "/persist/f", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 421
    connection.close()
    connection.request("POST", "/persist/f", headers={"Content-Length": str(1 << 40), "Host": address})
    assert connection.getresponse().status == 413
    connection.close()


def test_the_server_says_where_it_is_and_ends_when_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bascule", "cache", "serve", "--port", "0", "--store", "memory://"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ, PYTHONPATH=str(ROOT)))
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("listening on http://127.0.0.1:"), line
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stderr.close()
