"""The pod conversation: what a client says is understood, and it hears nothing that could kill it."""

from __future__ import annotations

from typing import Any

import bcoding
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bascule.protocols import bencode
from bascule.protocols.errors import LocalProtocolError, RemoteProtocolError
from bascule.protocols.pod import INVOKE_KEY, PodConnection, invoke_at, lone_invoke
from bascule.protocols.pod_events import Describe, Invoke, LoadNamespace, Refused, Shutdown

NAMESPACES: list[bencode.Value] = [{"name": "my-mod", "vars": [{"name": "f"}]}]


def said(**message: Any) -> bytes:
    return bencode.encode(message)


def heard(pod: PodConnection) -> list[dict[str, Any]]:
    frames = bencode.Framer(max_frame=1 << 30).receive_data(b"".join(pod.take()))
    return [bcoding.bdecode(frame) for frame in frames]


def read(pod: PodConnection, data: bytes) -> list[Any]:
    """What these bytes say."""
    pod.receive_data(data)
    return list(iter(pod.next_event, None))


def after(*messages: bytes) -> PodConnection:
    """A conversation in which these were said."""
    pod = PodConnection()
    for message in messages:
        read(pod, message)
    return pod


REQUESTS = [
    (said(op="describe", id="1"), Describe(b"1:1")),
    (said(op="describe"), Describe(None)),
    (said(op="invoke", id="2", var="a/b", args="[1]"), Invoke(b"1:2", "a/b", b"[1]")),
    (said(op="invoke", id="3", var="a/b"), Invoke(b"1:3", "a/b", b"")),
    (said(op="invoke", id="4", var="a/b", args=b"\xff"), Invoke(b"1:4", "a/b", b"\xff")),
    (said(op="invoke", id=5, var="a/b", args="null"), Invoke(b"i5e", "a/b", b"null")),
    (said(op="invoke", id=b"\xfe6", var="a/b", args="ü"), Invoke(b"2:\xfe6", "a/b", "ü".encode())),
    (said(op="load-ns", id="7", ns="my-mod"), LoadNamespace(b"1:7", "my-mod")),
    (said(op="invoke", id="8", var="a/b", args="[]", surplus=["ignored", {}]), Invoke(b"1:8", "a/b", b"[]")),
    (said(op="shutdown", id="9"), Shutdown(b"1:9")),
]


def test_every_request_is_understood_however_it_is_cut() -> None:
    data = b"".join([message for message, _ in REQUESTS])
    events = [event for _, event in REQUESTS]
    assert read(PodConnection(), data) == events
    pod = PodConnection()
    assert [event for at in range(len(data)) for event in read(pod, data[at : at + 1])] == events


@given(st.lists(st.sampled_from(REQUESTS[:-1]), unique=True), st.integers(1, 50))
def test_requests_in_any_order_and_any_cut_are_the_same(requests: list[tuple[bytes, Any]], size: int) -> None:
    data = b"".join([message for message, _ in requests])
    pod = PodConnection()
    events = [event for at in range(0, len(data), size) for event in read(pod, data[at : at + size])]
    assert events == [event for _, event in requests]


def test_after_shutdown_nothing_is_read() -> None:
    pod = PodConnection()
    both = said(op="shutdown", id="1") + said(op="invoke", id="2", var="a/b", args="[]")
    assert read(pod, both) == [Shutdown(b"1:1")]
    assert read(pod, b"rubbish") == []
    assert read(pod, said(op="describe")) == []


def test_shutdown_needs_no_id() -> None:
    assert read(PodConnection(), said(op="shutdown")) == [Shutdown(None)]


@pytest.mark.parametrize(
    ("message", "id", "why"),
    [
        (said(op="compile", id="1"), "1", "no such op: 'compile'"),
        (said(id="1"), "1", "no such op: None"),
        (said(op=3, id="1"), "1", "no such op: 3"),
        (said(op=b"\xff", id="1"), "1", "no such op"),
        (said(op="invoke", id="1"), "1", "needs a var"),
        (said(op="invoke", id="1", var=["a"]), "1", "needs a var"),
        (said(op="invoke", id="1", var=b"\xff"), "1", "needs a var"),
        (said(op="invoke", id="1", var="a/b", args=[1]), "1", "must be text, not a list"),
        (said(op="load-ns", id="1"), "1", "needs an ns"),
        (said(op="invoke", var="a/b", args="[]"), None, "without a usable id"),
        (said(op="invoke", id=[], var="a/b", args="[]"), None, "without a usable id"),
        (said(op="invoke", id={"a": 1}, var="a/b", args="[]"), None, "without a usable id"),
        (said(op="load-ns", ns="a"), None, "without a usable id"),
        (said(), None, "without a usable id"),
    ],
)
def test_what_is_no_request_is_refused_to_its_id_or_to_nobody(message: bytes, id: Any, why: str) -> None:
    pod = PodConnection()
    (event,) = read(pod, message)
    assert isinstance(event, Refused)
    assert event.id == (None if id is None else bencode.encode(id))
    assert why in event.reason
    if id is None:
        assert pod.open_calls == []
    else:
        pod.send_error(bencode.encode(id), "no", b"{}")
        assert heard(pod) == [{"id": id, "ex-message": "no", "ex-data": "{}", "status": ["done", "error"]}]


def test_an_id_in_use_gets_no_second_end() -> None:
    call = said(op="invoke", id="1", var="a/b", args="[]")
    pod = after(call)
    (event,) = read(pod, call)
    assert event == Refused(None, "the id '1' is still in use: its second message (op 'invoke') is ignored")
    pod.send_value(b"1:1", b"1")
    assert read(pod, call) == [Invoke(b"1:1", "a/b", b"[]")]


@pytest.mark.parametrize("data", [b"i1e", b"le", b"4:spam", b"x", b"d1:ae"])
def test_what_is_no_dict_ends_the_conversation(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read(PodConnection(), data)


def test_requests_before_the_fault_are_understood() -> None:
    for fault in (b"rubbish", b"le"):
        pod = PodConnection()
        pod.receive_data(REQUESTS[0][0] + REQUESTS[2][0] + fault)
        assert [pod.next_event(), pod.next_event()] == [REQUESTS[0][1], REQUESTS[2][1]]
        for _ in range(2):
            with pytest.raises(RemoteProtocolError):
                pod.next_event()
            pod.receive_data(REQUESTS[0][0])


@given(st.binary(max_size=80))
def test_any_bytes_are_requests_or_one_error(data: bytes) -> None:
    pod = PodConnection()
    try:
        events = read(pod, data)
    except RemoteProtocolError:
        return
    assert all(isinstance(event, (Describe, Invoke, LoadNamespace, Refused, Shutdown)) for event in events)
    assert pod.take() == []


usual = st.builds(
    lambda id, var, args: (
        said(op="invoke", id=id, var=var, args=args),
        bencode.encode(id),
        var.encode(),
        args.encode(),
    ),
    st.text(max_size=40),
    st.text(max_size=20),
    st.text(max_size=2000),
)


@given(st.lists(usual, max_size=5), st.sampled_from([b"", b"d", b"d4:args2", said(op="describe"), b"rubbish"]))
def test_calls_in_their_usual_spelling_are_read_where_they_stand(calls: list[Any], rest: bytes) -> None:
    data, at = b"".join([message for message, *_ in calls]) + rest, 0
    for _, id, var, args in calls:
        found = invoke_at(data, at)
        assert found is not None
        assert found[:3] == (id, var, args)
        at = found[3]
    assert invoke_at(data, at) is None


@given(usual, st.integers(0, 60), st.binary(max_size=2))
def test_what_is_read_where_it_stands_means_the_same_as_in_the_conversation(call: Any, at: int, other: bytes) -> None:
    data = call[0][:at] + other + call[0][at + 1 :]
    found = invoke_at(data, 0)
    if found is not None:
        id, var, args, end = found
        (event, *_) = read(PodConnection(), data[:end])
        if isinstance(event, Invoke):  # else its var is no UTF-8, and its user is told
            assert (event.id, event.var.encode(), event.args) == (id, var, args)


@given(usual, st.integers(0, 60), st.binary(max_size=2))
@example((said(op="invoke", id="", var="", args="x"), b"0:", b"", b"x"), 15, b"")
def test_a_lone_call_is_read_as_it_is_in_company(call: Any, at: int, other: bytes) -> None:
    for data in (call[0], call[0][:at] + other + call[0][at + 1 :], call[0] + call[0]):
        behind_id = data.rfind(INVOKE_KEY)
        lone, found = lone_invoke(data, behind_id), invoke_at(data, 0)
        if lone is not None and found is not None and found[3] == len(data):
            assert lone == (found[0], found[2])
        assert (data == call[0]) <= (lone is not None)
        if lone is not None and found is None:  # then it is not its var that ends it
            assert data[behind_id:] != call[0][call[0].rfind(INVOKE_KEY) :]


@given(usual)
def test_an_unfinished_call_is_not_read_where_it_stands(call: Any) -> None:
    assert not any(invoke_at(call[0][:at], 0) for at in range(0, len(call[0]), 7))


# Replies.


@pytest.mark.parametrize("id", ["1", "ü", b"\xff", 7, -1, ""])
def test_replies_carry_the_id_as_it_came(id: Any) -> None:
    call = said(op="invoke", id=id, var="a/b", args="[]")
    pod, written = after(call), bencode.encode(id)
    pod.send_output(written, b"hello\n")
    pod.send_output(written, b"oh", err=True)
    pod.send_item(written, b"1")
    pod.send_value(written, b"[2]")
    read(pod, call)
    pod.send_done(written)
    read(pod, call)
    pod.send_error(written, "E: ü \ud800", b'{"kind": "python"}')
    assert heard(pod) == [
        {"id": id, "out": "hello"},
        {"id": id, "err": "oh"},
        {"id": id, "value": "1"},
        {"id": id, "value": "[2]", "status": ["done"]},
        {"id": id, "status": ["done"]},
        {"id": id, "ex-message": "E: ü ?", "ex-data": '{"kind": "python"}', "status": ["done", "error"]},
    ]


def test_messages_are_bencode_with_sorted_keys_as_strict_readers_want_it() -> None:
    call = said(op="invoke", id="1", var="a/b", args="[]")
    pod = after(call)
    pod.send_output(b"1:1", b"a")
    pod.send_output(b"1:1", b"a", err=True)
    pod.send_item(b"1:1", b"1")
    pod.send_value(b"1:1", b"1")
    read(pod, call)
    pod.send_error(b"1:1", "no", b"{}")
    for frame in bencode.Framer().receive_data(b"".join(pod.take())):
        assert bcoding.bencode(bcoding.bdecode(frame)) == frame


def test_a_large_value_is_written_without_a_copy() -> None:
    pod = after(said(op="invoke", id="1", var="a/b", args="[]"))
    payload = b'"' + b"x" * (1 << 20) + b'"'
    pod.send_value(b"1:1", payload)
    pieces = pod.take()
    assert any(piece is payload for piece in pieces)
    assert bcoding.bdecode(b"".join(pieces))["value"] == payload.decode()


@pytest.mark.parametrize(("text", "shown"), [(b"a\n", "a"), (b"a\n\n", "a\n"), (b"\n", ""), (b"a", "a")])
def test_printed_text_loses_the_newline_that_the_client_adds(text: bytes, shown: str) -> None:
    pod = after(said(op="invoke", id="1", var="a/b", args="[]"))
    pod.send_output(b"1:1", text)
    assert heard(pod) == [{"id": "1", "out": shown}]
    pod.send_output(b"1:1", b"")
    assert heard(pod) == []


@pytest.mark.parametrize(
    ("payload_format", "good", "bad"),
    [("edn", b"{:a 1}", b"[1]"), ("transit+json", b'["^ ","a",1]', b"[1]"), ("json", b"{}", b'["^ "]')],
)
def test_what_a_map_is_depends_on_the_payload_format(payload_format: str, good: bytes, bad: bytes) -> None:
    pod = PodConnection(payload_format=payload_format)
    read(pod, said(op="invoke", id="1", var="a/b", args="[]"))
    with pytest.raises(LocalProtocolError, match="must be a map"):
        pod.send_error(b"1:1", "no", bad)
    pod.send_error(b"1:1", "no", good)
    assert heard(pod)[0]["ex-data"] == good.decode()


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b'"text"', b"{", b"}"])
def test_ex_data_that_is_no_map_is_never_sent(data: bytes) -> None:
    pod = after(said(op="invoke", id="1", var="a/b", args="[]"))
    with pytest.raises(LocalProtocolError, match="must be a map"):
        pod.send_error(b"1:1", "no", data)
    assert pod.take() == []
    assert b"1:1" in pod.open


def test_only_an_open_request_is_answered_and_only_once() -> None:
    pod = after(said(op="invoke", id="1", var="a/b", args="[]"), said(op="load-ns", id="2", ns="a"))
    for send in (
        lambda: pod.send_value(b"1:3", b"1"),
        lambda: pod.send_done(b"0:"),
        lambda: pod.send_output(b"1:3", b"text"),
        lambda: pod.send_namespace(b"1:1", "a", []),
        lambda: pod.send_error(b"1:2", "an error would end the client's reading", b"{}"),
    ):
        with pytest.raises(LocalProtocolError):
            send()
    pod.send_value(b"1:1", b"1")
    for late in (
        lambda: pod.send_value(b"1:1", b"1"),
        lambda: pod.send_output(b"1:1", b"x"),
        lambda: pod.send_done(b"1:1"),
    ):
        with pytest.raises(LocalProtocolError):
            late()
    assert len(heard(pod)) == 1


def test_the_description_is_the_first_thing_that_its_reader_hears() -> None:
    pod = after(
        said(op="describe", id="d"),
        said(op="invoke", id="1", var="a/b", args="[]"),
        said(op="invoke", id="2", var="a/b", args="[]"),
    )
    pod.send_output(b"1:1", b"early\n")
    pod.send_value(b"1:1", b"1")
    assert pod.take() == []
    pod.send_description(NAMESPACES, ["shutdown"])
    pod.send_value(b"1:2", b"2")
    described, *rest = heard(pod)
    assert described == {"format": "json", "id": "d", "namespaces": NAMESPACES, "ops": {"shutdown": {}}}
    assert [(each["id"], each.get("value")) for each in rest] == [("1", None), ("1", "1"), ("2", "2")]


def test_describe_without_an_id_is_answered_without_one() -> None:
    pod = after(said(op="describe"))
    pod.send_description(NAMESPACES, [])
    assert heard(pod) == [{"format": "json", "namespaces": NAMESPACES, "ops": {}}]


def test_a_client_that_remembers_the_description_is_answered_at_once() -> None:
    pod = after(said(op="invoke", id="1", var="a/b", args="[]"), said(op="describe", id="d"))
    pod.send_value(b"1:1", b"1")
    assert [each["id"] for each in heard(pod)] == ["1"]
    pod.send_description(NAMESPACES, [])
    assert [each["id"] for each in heard(pod)] == ["d"]


def test_every_describe_is_answered() -> None:
    pod = after(said(op="describe", id="1"), said(op="describe", id="2"))
    pod.send_description(NAMESPACES, [])
    assert [each["id"] for each in heard(pod)] == ["1", "2"]
    pod.send_description(NAMESPACES, [])
    assert heard(pod) == []


def test_a_pod_without_a_name_is_not_described() -> None:
    with pytest.raises(LocalProtocolError, match="at least one namespace"):
        after(said(op="describe")).send_description([], [])


def test_a_loaded_namespace_says_its_vars_and_that_it_is_done() -> None:
    pod = after(said(op="load-ns", id="1", ns="my-mod"))
    pod.send_namespace(b"1:1", "my-mod", [{"name": "f", "meta": "{}"}])
    assert heard(pod) == [{"id": "1", "name": "my-mod", "vars": [{"name": "f", "meta": "{}"}], "status": ["done"]}]
