"""Servers in processes of their own: waited for, drained, killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from synthvlm.local.errors import ProcessFailed
from synthvlm.local.processes import (
    ServiceProcess,
    ServiceState,
    is_alive,
    start_process,
    stop_services,
    wait_for,
    wait_ready,
)


def start(folder: Path, *options: str) -> ServiceProcess:
    """The lightest of the services."""
    return start_process(
        "caption",
        "synthvlm.caption",
        ["--store-roots", folder.as_uri(), *options],
        address_file=folder / "address.json",
        log=folder / "service.log",
    )


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    process = start(tmp_path)
    yield process
    process.kill()


def test_a_service_is_waited_for_and_drained(service: ServiceProcess) -> None:
    seen: list[ServiceState] = []
    wait_ready([service], lambda services: seen.append(services[0].state))
    assert (seen[0], seen[-1]) == (ServiceState.STARTING, ServiceState.READY)
    stop_services([service])
    assert service.process.returncode == 0
    assert not service.address_file.exists()


def test_a_service_is_killed(service: ServiceProcess) -> None:
    wait_for([service], ServiceState.LOADING)
    service.kill()
    service.kill()  # a second time does nothing
    assert not is_alive(service.process.pid)
    service.refresh()
    assert service.ended_error().message == (
        "the caption service was killed by signal 9; run the same command again"
    )


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match="the caption service ended with status 2") as raised:
        wait_ready([start(tmp_path, "--set", "no_such_key=1")])
    assert raised.value.log == tmp_path / "service.log"
    assert "no_such_key" in raised.value.tail
