"""The life of a service's process: settings, warm-up, serving, drain, exit status."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn, TypeVar

import structlog

from synthvlm.errors import InvalidInput
from synthvlm.heap import keep_what_is_there
from synthvlm.serving.logs import configure_logs
from synthvlm.serving.server import Server
from synthvlm.serving.service import Service
from synthvlm.serving.settings import ServiceSettings
from synthvlm.serving.settings_sources import load_settings, read_command_line

S = TypeVar("S", bound=ServiceSettings)

USAGE_EXIT = 2
"""Exit status for wrong settings."""

FAILURE_EXIT = 1
"""Exit status when the service cannot start."""

_log = structlog.get_logger(__name__)


def main(service: Service[S], arguments: Sequence[str] | None = None) -> None:
    """Runs a service until SIGTERM or SIGINT, then exits.

    Exit status: 0 after a drain, 1 when the service cannot start, 2 when its settings are wrong.

    Args:
        service: What to run.
        arguments: The command line, without the program's name; by default the process's own.
    """
    line = read_command_line(
        service.settings, service.word, sys.argv[1:] if arguments is None else arguments
    )
    try:
        settings = load_settings(
            service.settings, service.word, command_line=line.values, config=line.config
        )
    except InvalidInput as error:
        sys.stderr.write(f"{error.message}\n")
        sys.exit(USAGE_EXIT)
    if line.show:
        sys.stdout.write(f"{json.dumps(settings.effective(), sort_keys=True)}\n")
        sys.exit(0)
    if line.check:
        sys.stdout.write(f"the settings of the {service.word} service are valid\n")
        sys.exit(0)
    configure_logs(settings, service.word)
    _exit(asyncio.run(_run(Server(service, settings), service.word)))


def _exit(status: int) -> NoReturn:
    """Ends the process without tearing the interpreter down.

    Everything is closed and written by now. A teardown would wait for worker threads that did not
    notice their cancellation and for a model that still loads; and now and then (gRPC 1.81, one
    process in twenty on a busy machine) the collection of gRPC's own objects deadlocks in it.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


async def _run(server: Server[S], word: str) -> int:
    """Serves until a signal comes; returns the exit status.

    The handlers are set explicitly: the kernel ignores the default action of SIGTERM for PID 1. A
    second signal ends the wait for running calls.
    """
    stop = asyncio.Event()

    def signalled() -> None:
        if stop.is_set():
            server.hurry()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled)
    stopping = asyncio.ensure_future(stop.wait())
    status = 0
    starting = asyncio.ensure_future(_start(server))
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopping
    except Exception as error:
        _log.exception("the service cannot start", word=word, problem=str(error))
        status = FAILURE_EXIT
    finally:
        starting.cancel()
        stopping.cancel()
        await server.drain()
    return status


async def _start(server: Server[S]) -> None:
    await server.start()
    await server.warm_up()
    # The model and the libraries stay for good. Looking for garbage among them would hold the event
    # loop for 150 ms each time that a request has made many objects.
    keep_what_is_there()
