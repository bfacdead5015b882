"""The same random lives of supervisors, under our decision and under OTP's own supervisor in a real Erlang node."""

from __future__ import annotations

import random
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from test_restart import child

from bascule.bridge.supervision import restart
from bascule.bridge.supervision.restart import Action, End, Stop
from bascule.bridge.supervision.spec import (
    AutoShutdown,
    ChildRefused,
    Restart,
    RestartIntensity,
    Strategy,
    SupervisorFlags,
)

Child = tuple[str, str, bool]
Operation = tuple[object, ...]
STATIC = [Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE]


def make_child(chance: random.Random, name: str, auto: AutoShutdown) -> Child:
    kind = chance.choice(["permanent", "transient", "temporary"])
    return name, kind, kind != "permanent" and auto is not AutoShutdown.NEVER and chance.random() < 0.5


class Scenario:
    """One supervisor's life, made by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.strategy = chance.choice(STATIC)
        self.intensity = chance.randint(0, 8)
        self.auto = chance.choice(list(AutoShutdown))
        names = [f"c{n}" for n in range(chance.randint(1, 5))]
        self.children = [make_child(chance, name, self.auto) for name in names]
        self.operations: list[Operation] = []
        for _ in range(chance.randint(1, 12)):
            kind = chance.choice(["exit"] * 6 + ["terminate", "restart", "delete", "add"])
            name = chance.choice(names)
            if kind == "exit":
                broken = [(each, chance.randint(1, 3)) for each in names if chance.random() < 0.15]
                self.operations.append((kind, name, chance.choice(["normal", "crash"]), broken))
            elif kind == "add":
                names.append(f"c{len(names)}")
                self.operations.append((kind, make_child(chance, names[-1], self.auto)))
            else:
                self.operations.append((kind, name))

    def as_erlang(self) -> str:
        def term(value: object) -> str:
            if isinstance(value, bool):
                return str(value).lower()
            if isinstance(value, tuple):
                return "{" + ", ".join(map(term, value)) + "}"
            if isinstance(value, list):
                return "[" + ", ".join(map(term, value)) + "]"
            return str(value)

        flags = (self.strategy.value, self.intensity, self.auto.value)
        return term((flags, self.children, self.operations)) + ".\n"

    def as_we_do(self) -> list[str]:
        """What our decision makes of it, in the oracle's words."""
        life = _Life(self)
        lines = [life.perform(operation) for operation in self.operations if not life.over]
        return [*lines, "end"]


class _Life:
    """A supervisor whose children are words in a list."""

    def __init__(self, scenario: Scenario) -> None:
        flags = SupervisorFlags(scenario.strategy, RestartIntensity(scenario.intensity, 3600.0), scenario.auto)
        self.family = restart.found(flags, [self.spec(each) for each in scenario.children])
        for name, _, _ in scenario.children:
            self.family = restart.started(self.family, name)
        self.broken: dict[str, int] = {}
        self.effects: list[str] = []
        self.retries: deque[str] = deque()
        self.over = False

    def spec(self, each: Child):  # type: ignore[no-untyped-def]
        name, kind, significant = each
        return child(name, Restart(kind), significant=significant)

    def perform(self, operation: Operation) -> str:
        kind, *arguments = operation
        handler: Callable[..., None] = getattr(self, f"do_{kind}")
        handler(*arguments)
        while self.retries and not self.over:
            self.family, actions = restart.try_again(self.family, self.retries.popleft(), now=0.0)
            self.carry_out(actions)
        children = ",".join(sorted(f"{each.spec.id} {each.phase.value}" for each in self.family.children))
        effects, self.effects = ",".join(self.effects), []
        return f"{effects}|{'over' if self.over else children}"

    def try_to_start(self, name: str) -> bool:
        if self.broken.get(name, 0) > 0:
            self.broken[name] -= 1
            self.effects.append(f"fail {name}")
            return False
        self.effects.append(f"start {name}")
        return True

    def carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Stop):
                self.effects += [f"stop {name}" for name in action.ids]
            elif isinstance(action, End):
                self.over = True
            else:
                for name in action.ids:
                    if not self.try_to_start(name):
                        self.family = restart.start_failed(self.family, name)
                        self.retries.append(name)
                        break
                    self.family = restart.started(self.family, name)

    def do_exit(self, name: str, reason: str, broken: list[tuple[str, int]]) -> None:
        self.broken.update(broken)
        if name in self.family.running():
            self.family, actions = restart.exited(self.family, name, normal=reason == "normal", now=0.0)
            self.carry_out(actions)

    def do_terminate(self, name: str) -> None:
        try:
            self.family, actions = restart.terminated(self.family, name)
        except ChildRefused:
            return
        self.carry_out(actions)

    def do_restart(self, name: str) -> None:
        try:
            restart.check_stopped(self.family, name)
        except ChildRefused:
            return
        if self.try_to_start(name):
            self.family = restart.started(self.family, name)

    def do_delete(self, name: str) -> None:
        try:
            self.family = restart.deleted(self.family, name)
        except ChildRefused:
            return

    def do_add(self, each: Child) -> None:
        try:
            family = restart.added(self.family, self.spec(each))
        except ChildRefused:
            return
        if self.try_to_start(each[0]):
            self.family = restart.started(family, each[0])


def test_otp_does_the_same(needs: Callable[..., None], tmp_path: Path, soak_factor: int):
    needs("erl", "erlc")
    seed = random.SystemRandom().randrange(1 << 30)
    chance = random.Random(seed)
    scenarios = [Scenario(chance) for _ in range(150 * soak_factor)]
    file = tmp_path / "scenarios.txt"
    file.write_text("".join(scenario.as_erlang() for scenario in scenarios))
    subprocess.run(["erlc", "-o", tmp_path, Path(__file__).with_name("otp_oracle.erl")], check=True)
    told = subprocess.run(
        ["erl", "-noshell", "-pa", tmp_path, "-eval", f'otp_oracle:main("{file}").'],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = iter(told.stdout.splitlines())
    for number, scenario in enumerate(scenarios):
        theirs = []
        for line in lines:
            theirs.append(line)
            if line == "end":
                break
        assert scenario.as_we_do() == theirs, f"seed {seed}, scenario {number}: {scenario.as_erlang()}"
