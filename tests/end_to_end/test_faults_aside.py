"""User code that fails where no call is being answered: in the items of a stream, in finalizers, on a real service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_service import Service

from bascule.bridge.errors import Quarantined, Timeout, WorkerLost

HERE = Path(__file__).parent
LOSSES = 12  # more than the pool may lose without a cause


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def service(request: pytest.FixtureRequest, runtime_folder: Path, nothing_left: None) -> Iterator[Service]:
    config = runtime_folder / "bascule.toml"
    config.write_text(f'[pools.default]\nsize = 2\nthreads = {request.param}\npaths = ["{HERE}"]\n')
    service = Service(runtime_folder, "--config", str(config))
    yield service
    assert service.stop() == 0
    config.unlink()


def test_a_stream_that_kills_its_worker_is_named_and_then_quarantined(service: Service) -> None:
    with service.client() as client:
        for _ in range(3):
            with pytest.raises(WorkerLost, match="SIGKILL") as raised:
                list(client.stream("faulty:items_then_death", 2))
            assert raised.value.details["offender"] == "faulty:items_then_death"
        with pytest.raises(Quarantined):
            list(client.stream("faulty:items_then_death", 2))
        assert client.call("math:sqrt", 4) == 2.0


def test_streams_that_kill_their_workers_do_not_stop_the_service_for_others(service: Service) -> None:
    with service.client() as good:
        for _ in range(LOSSES):
            with service.client() as bad, pytest.raises(WorkerLost):
                list(bad.stream("faulty:items_then_death", 1))
        assert good.call("math:sqrt", 4) == 2.0


def test_finalizers_that_kill_their_workers_do_not_stop_the_service_for_others(service: Service) -> None:
    with service.client() as good:
        for _ in range(LOSSES):
            with service.client() as bad:
                bad.init("faulty:DiesWhenLetGo")
        assert good.call("math:sqrt", 4) == 2.0


@pytest.mark.parametrize("target", ["faulty:items_then_rest", "faulty:items_then_deaf"])
def test_a_stream_whose_next_item_does_not_come_ends_at_its_deadline_and_holds_up_nobody(
    service: Service, target: str
) -> None:
    with service.client() as client:
        for _ in range(3):  # more than there are workers
            with pytest.raises(Timeout):
                list(client.stream(target, timeout=0.3))
        futures = [client.submit("math:sqrt", 4) for _ in range(16)]
        assert [future.result(30) for future in futures] == [2.0] * 16
