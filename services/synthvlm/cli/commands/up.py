"""``synthvlm up``: all services on this machine."""

import signal
import time
from collections.abc import Sequence
from dataclasses import asdict
from json import dumps, loads
from types import FrameType
from typing import Annotated, Any

import typer

from synthvlm.cli import inputs
from synthvlm.cli.commands.review.links import Page
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
from synthvlm.local.services import Services, own_services
from synthvlm.local.words import REVIEW

_WATCH_SECONDS = 0.3

TcpOption = Annotated[
    bool, typer.Option("--tcp", help="Listen on ports of 127.0.0.1, with a token.")
]


def up(
    context: typer.Context,
    home: HomeOption = None,
    profile: ProfileOption = "mini",
    engine: EngineOption = None,
    tcp: TcpOption = False,
    json: JsonOption = False,
) -> None:
    """Start all services and keep them running until Ctrl-C or SIGTERM.

    Other commands with the same home then use them instead of starting their own. They listen on
    unix sockets that no other user of the machine can open; with [bold]--tcp[/] on ports of
    127.0.0.1, and want the token of a file that is made at start.
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
            with own_services(place, reference, "up", shown.services, engine, tcp=tcp) as own:
                shown.ready(own.services, place)
                try:
                    _watch(own.processes)
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

    def ready(self, services: Services, home: Home) -> None:
        """Says that all are ready, and how they are called."""
        token = services.token_file
        if self._json:
            shown: dict[str, Any] = {"home": str(home.root), **asdict(services)}
            shown["services"] = shown.pop("running")
            print_json(loads(dumps(shown, default=str)))
            return
        self.close("all services are ready; end with Ctrl-C")
        review = services.running.get(REVIEW)
        if review is not None and review.page:
            page = Page(review.page, review.token_file or token)
            self._console.print(
                f"judge pairs at {page.sign_in()}\nthat address signs you in as the owner: keep it "
                f"to yourself; `synthvlm review invite NAME` makes one for an annotator",
                markup=False,
                soft_wrap=True,
            )
        if token is not None:
            self._console.print(
                f"callers send the token in {token}: `python -m synthvlm.client.call ADDRESS "
                f"--token-file {token}`, or the metadata `authorization: Bearer …`",
                markup=False,
                soft_wrap=True,
            )

    def close(self, remark: str = "") -> None:
        """Leaves what was shown as it is, and prints the remark."""
        if self._open:
            self._display.close()
            self._open = False
        if remark:
            self._console.say(remark)
