"""What the Erlang suites call: user code, as one writes it for ErlPort."""

import datetime
import decimal
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

from erlport import Atom, ImproperList, List, erlang
from erlport.erlterms import ExactMap, Map, MutationError, OpaqueObject, decode, encode

gate = threading.Event()
received = []


def echo(value):
    return value


def seen(value):
    """How Python sees it."""
    return repr(value)


def kinds(values):
    return [type(value).__name__ for value in values]


def pid():
    return os.getpid()


def results():
    """One of each kind that goes out."""
    return [
        "text",
        "\u2603",
        "",
        b"bytes",
        Atom(b"atom"),
        True,
        None,
        (1, (2.5,)),
        {"k": [1]},
        2**80,
        List([1, 2]),
        ImproperList([1], 2),
    ]


def to_string(value):
    return List(value).to_string().upper()


def mutations(values, mapping):
    """Every way to change a List or Map, and what came of it."""
    tries = [
        lambda: values.append(1),
        lambda: values.extend([1]),
        lambda: values.insert(0, 1),
        lambda: values.pop(),
        lambda: values.remove(1),
        lambda: values.sort(),
        lambda: values.reverse(),
        lambda: values.clear(),
        lambda: values.__setitem__(0, 1),
        lambda: values.__delitem__(0),
        lambda: mapping.clear(),
        lambda: mapping.pop(1),
        lambda: mapping.popitem(),
        lambda: mapping.update({}),
        lambda: mapping.setdefault(1, 2),
        lambda: mapping.__setitem__(1, 2),
        lambda: mapping.__delitem__(1),
    ]
    refused = 0
    for attempt in tries:
        try:
            attempt()
        except MutationError:
            refused += 1
    return refused == len(tries)


def fraction():
    return decimal.Decimal("0.5")


def double(number):
    assert type(number) is decimal.Decimal, type(number)
    return number * 2


def terms():
    return [decode(encode(value))[0] for value in ("a", b"b", Atom(b"c"), {1: [2]})]


def fail(text):
    raise ValueError(text)


class NestedError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def fail_oddly():
    raise NestedError


def leave():
    sys.exit(3)


def unpicklable():
    return lambda: None


def set_date_codecs():
    def encoder(value):
        if isinstance(value, datetime.date):
            return (Atom(b"date"), (value.year, value.month, value.day))
        return value

    def decoder(value):
        if isinstance(value, tuple) and len(value) == 2 and value[0] == b"date":
            return datetime.date(*value[1])
        return value

    erlang.set_encoder(encoder)
    erlang.set_decoder(decoder)
    return Atom(b"ok")


def reset_codecs():
    erlang.set_default_encoder()
    erlang.set_default_decoder()


def tomorrow(day):
    return day + datetime.timedelta(days=1)


def tomorrow_by_erlang(day):
    """A date goes to Erlang and back, both ways through the codecs."""
    answer = erlang.call(Atom(b"erlang"), Atom(b"hd"), [List([day])])
    return [type(erlang.call(Atom(b"erlport_helper"), Atom(b"same"), [day])).__name__, type(answer).__name__]


def odd_codecs():
    refused = []
    for wrong in (5, lambda: None, lambda a, b: None):
        try:
            erlang.set_encoder(wrong)
        except (TypeError, ValueError) as error:
            refused.append(type(error).__name__)
    return refused


def handle_into(pid):
    """Messages go back to the process, after a word of Python's."""

    def handler(message):
        received.append(message)
        erlang.cast(pid, (Atom(b"handled"), message))

    erlang.set_message_handler(handler)


def handle_slowly(seconds):
    def handler(message):
        time.sleep(seconds)
        received.append(message)

    erlang.set_message_handler(handler)


def handle_by_erlang(pid):
    def handler(message):
        erlang.cast(pid, erlang.call(Atom(b"erlang"), Atom(b"abs"), [message]))

    erlang.set_message_handler(handler)


def handle_badly():
    def handler(message):
        raise KeyError("bad handler")

    erlang.set_message_handler(handler)


def ignore_messages():
    erlang.set_default_message_handler()


def all_received():
    return received


def cast(pid, message):
    erlang.cast(pid, message)


def call_erlang(module, function, args):
    return erlang.call(module, function, args)


def caught(module, function, args):
    try:
        erlang.call(module, function, args)
    except erlang.CallError as error:
        return (error.language, error.type, error.value, len(error.stacktrace) > 0)
    return None


def wrong_calls():
    found = []
    for arguments in (("erlang", Atom(b"self"), []), (Atom(b"erlang"), b"self", []), (Atom(b"a"), Atom(b"b"), (1,))):
        try:
            erlang.call(*arguments)
        except ValueError:
            found.append("ValueError")
    return found


def own_pid():
    return (erlang.self(), erlang.self() == erlang.self())


def references():
    return (erlang.make_ref(), erlang.make_ref())


def down(instance, depth):
    """Python calls Erlang calls Python ..., so deep."""
    if depth == 0:
        return 0
    return 1 + erlang.call(Atom(b"erlport_helper"), Atom(b"down"), [instance, depth - 1])


def same_by_erlang(value, milliseconds):
    return erlang.call(Atom(b"erlport_helper"), Atom(b"late"), [value, milliseconds])


def many_threads(number, rounds):
    """Background threads that call Erlang at once; how many got somebody else's answer."""
    wrong = []

    def ask(mine):
        for turn in range(rounds):
            value = (mine, turn)
            if erlang.call(Atom(b"erlport_helper"), Atom(b"same"), [value]) != value:
                wrong.append(value)

    threads = [threading.Thread(target=ask, args=(mine,)) for mine in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(wrong)


def call_in_background(pid):
    """A thread of user code's own calls Erlang once this call is long over."""

    def run():
        gate.wait()
        erlang.cast(pid, (Atom(b"background"), erlang.call(Atom(b"erlang"), Atom(b"abs"), [-7])))

    threading.Thread(target=run, daemon=True).start()


def open_gate():
    gate.set()


def close_gate():
    gate.clear()


def wait_at_gate():
    gate.wait()
    return Atom(b"opened")


def sleep(seconds):
    time.sleep(seconds)
    return Atom(b"slept")


def spin():
    while True:
        pass


def hold_interpreter():
    """C code that never gives way to another thread."""
    return re.match(r"(a+)+$", "a" * 64 + "b")


def thread_name():
    return threading.current_thread().name


def where_run(milliseconds):
    """Whether it is the main thread, after a call to Erlang inside."""
    same_by_erlang(1, milliseconds)
    return threading.current_thread() is threading.main_thread()


def show(text):
    print(text.decode())
    return Atom(b"shown")


def write_below(text):
    """Past Python's streams: the descriptor, a child process, a forked one."""
    os.write(1, text)
    subprocess.run(["sh", "-c", "echo child; cat"], check=True)
    child = os.fork()
    if child == 0:
        print("forked")
        os._exit(0)
    os.waitpid(child, 0)
    return Atom(b"written")


def fork_and_return():
    """The child comes back from the call as well."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return 0


def read_input():
    found = []
    for read in (sys.stdin.read, sys.stdin.readline, input):
        try:
            read()
        except OSError as error:
            found.append(type(error).__name__)
    return found


def environment(name):
    return os.environ.get(List(name).to_string())


def folder():
    return str(pathlib.Path.cwd())


def make_atoms(count):
    """As many distinct names as one likes, all of them atoms."""
    return [Atom(b"made_up_%d" % number) for number in range(count)]


def make_classes(count):
    """An error of a class with a new name each time."""
    raise type(f"Made{count}", (ValueError,), {})("made up")


def map_facts(mapping):
    right = isinstance(mapping, Map) and (len(mapping) == 1) == (type(mapping) is not ExactMap)
    return (type(mapping).__name__, len(mapping), right, mapping.get(1), mapping.get(True))


def opaque_kind(value):
    return (type(value) is OpaqueObject, value.language)


def length(value):
    return len(value)


def total(values):
    return sum(values)


def bare(value):
    return float(value.to_string())
