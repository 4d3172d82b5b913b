"""``synthvlm up``: all services on this machine."""

import signal
import time
from collections.abc import Sequence
from types import FrameType

import typer

from synthvlm.cli import inputs
from synthvlm.cli.failures import CommandError
from synthvlm.cli.options import (
    EngineOption,
    HomeOption,
    JsonOption,
    ProfileOption,
    prepared_home,
)
from synthvlm.cli.run.display import PlainDisplay, display_on
from synthvlm.cli.terminal.output import print_json, stderr_console
from synthvlm.local.errors import ProcessFailed
from synthvlm.local.home import Home
from synthvlm.local.lock import HomeLock
from synthvlm.local.processes import ServiceProcess
from synthvlm.local.services import own_services

_WATCH_SECONDS = 0.3


def up(
    context: typer.Context,
    home: HomeOption = None,
    profile: ProfileOption = "mini",
    engine: EngineOption = None,
    json: JsonOption = False,
) -> None:
    """Start all services and keep them running until Ctrl-C or SIGTERM.

    Other commands with the same home then use them instead of starting their own.
    [bold]--json[/] prints one JSON object with each service's address when all are healthy.

    [dim]Examples:[/] synthvlm up
    synthvlm up --profile my-profile.yaml --json
    synthvlm up --engine triton
    """
    reference = inputs.profile_reference(profile)
    inputs.engine_name(engine)
    place = prepared_home(context, home)
    signal.signal(signal.SIGTERM, _stop)
    with HomeLock(place, "up") as lock:
        if not lock.take():
            owner, pid = lock.holder()
            raise CommandError(
                f"`synthvlm {owner}` (process {pid}) already runs the services of {place.root}; "
                f"stop it, or choose another --home"
            )
        shown = _Shown(json)
        try:
            with own_services(place, reference, "up", shown.services, engine) as processes:
                shown.ready(processes, place)
                try:
                    _watch(processes)
                except ProcessFailed:
                    shown.close("a service ended unexpectedly; stopping the others")
                    raise
        except _StopRequestedError:
            shown.close("stopped")
        except KeyboardInterrupt:
            shown.close("stopped")
        finally:
            shown.close()


class _StopRequestedError(Exception):
    """SIGTERM was received."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _StopRequestedError


def _watch(processes: Sequence[ServiceProcess]) -> None:
    """Waits until a service ends unexpectedly.

    Raises:
        ProcessFailed: One has; the message says which, how, and where its log is.
    """
    while True:
        for service in processes:
            if service.process.poll() is not None:
                raise service.ended_error()
        time.sleep(_WATCH_SECONDS)


class _Shown:
    """What is shown while services start: a live table, or lines on stderr beside JSON."""

    def __init__(self, as_json: bool) -> None:
        console = stderr_console()
        self._json = as_json
        self._console = console
        self._display = PlainDisplay(console) if as_json else display_on(console)
        self._open = True

    def services(self, processes: Sequence[ServiceProcess]) -> None:
        """Shows their states."""
        self._display.services(processes)

    def ready(self, processes: Sequence[ServiceProcess], home: Home) -> None:
        """Says that all are ready."""
        if self._json:
            services = {p.word: {"address": p.address, "pid": p.process.pid} for p in processes}
            print_json({"home": str(home.root), "services": services})
        else:
            self.close("all services are ready; press Ctrl-C to stop them")

    def close(self, remark: str = "") -> None:
        """Leaves what was shown as it is, and prints the remark."""
        if self._open:
            self._display.close()
            self._open = False
        if remark:
            self._console.say(remark)
