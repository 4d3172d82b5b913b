"""``python -m synthvlm.generation.triton``: becomes a Triton server that holds the pipelines.

It renders the model repository from the settings of the generation service, then replaces itself
with ``tritonserver``: signals and exit status are the server's own.
"""

import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from synthvlm.atomic_files import write_atomically
from synthvlm.errors import DomainError, InvalidInput
from synthvlm.generation.identity import Identity, wanted_identity
from synthvlm.generation.loading import executor_of
from synthvlm.generation.triton import server
from synthvlm.generation.triton.config import TritonServerSettings
from synthvlm.generation.triton.repository import write_repository
from synthvlm.serving.lifecycle import FAILURE_EXIT, USAGE_EXIT
from synthvlm.serving.settings_sources import load_settings, read_command_line


def main(arguments: Sequence[str]) -> NoReturn:
    """Renders the repository and becomes the server."""
    line = read_command_line(
        TritonServerSettings, "generation", arguments, program="synthvlm.generation.triton"
    )
    try:
        settings = load_settings(
            TritonServerSettings, "generation", command_line=line.values, config=line.config
        )
    except InvalidInput as error:
        sys.exit(_say(error.message, USAGE_EXIT))
    try:
        if line.check:
            sys.stdout.write(f"{server.find_server().program}\n")
            sys.exit(0)
        serve(settings)
    except DomainError as error:
        sys.exit(_say(error.message, FAILURE_EXIT))


def serve(settings: TritonServerSettings) -> NoReturn:
    """Becomes the server.

    Raises:
        NotFound: A model folder does not exist.
        PreconditionFailed: There is no Triton server.
    """
    files = server.find_server()
    folder = settings.repository.resolve()
    write_repository(folder / "models", settings, identity_of(settings))
    backends = server.make_backends(files, folder / "backends")
    server.remove_leftovers()
    listen = server.free_address(settings.listen)
    command = server.command(
        files,
        repository=folder / "models",
        backends=backends,
        listen=listen,
        metrics_listen=settings.metrics_listen,
        drain_seconds=settings.drain_seconds,
        tls=server.tls_options(settings),
    )
    if settings.address_file is not None:
        address = json.dumps({"address": listen, "pid": os.getpid()})
        write_atomically(settings.address_file, address)
    os.execve(command[0], command, server.environment(files, os.environ))  # noqa: S606


def identity_of(settings: TritonServerSettings) -> Identity:
    """The identity that the model will have, with the versions of its executor."""
    wanted = wanted_identity(settings)
    executor = executor_of(settings)
    versions = {} if executor is None else executor.numerics
    return Identity(wanted.model_digest, {**wanted.numerics, **versions})


def _say(message: str, status: int) -> int:
    sys.stderr.write(f"{message}\n")
    return status


if __name__ == "__main__":
    main(sys.argv[1:])
