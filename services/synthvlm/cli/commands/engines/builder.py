"""The process that exports components and builds TensorRT engines."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from synthvlm.cli.failures import FAILURE_STATUS, USAGE_STATUS, CommandError
from synthvlm.parent_death import ending_with_parent

_LINES = 4  # of its output, when a process ends without giving a reason


def run_builder(
    room: str, arguments: Sequence[str], heard: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Exports components or builds engines, in a process of its own.

    Args:
        room: The package of the generation service to run: ``onnx`` or ``tensorrt``.
        arguments: Its command line.
        heard: Called with each component when it is done.

    Returns:
        Its result.

    Raises:
        CommandError: It failed; the message is its reason.
    """
    command = ending_with_parent([sys.executable, "-m", f"synthvlm.generation.{room}", *arguments])
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            result = _follow(process, heard)
        except BaseException:
            process.terminate()
            raise
        status = process.wait()
        if status == 0 and result is not None:
            return result
        errors.seek(0)
        lines = errors.read().splitlines()
    if status in (USAGE_STATUS, FAILURE_STATUS) and lines and not lines[0].startswith("Traceback"):
        raise CommandError(lines[-1], status=status)
    raise CommandError(f"the process ended with status {status}", tail="\n".join(lines[-_LINES:]))


def _follow(
    process: "subprocess.Popen[str]", heard: Callable[[dict[str, Any]], None]
) -> dict[str, Any] | None:
    """The last message, which is the result; components are passed on as they come."""
    result = None
    for line in process.stdout or ():
        content: dict[str, Any] = json.loads(line)
        if "component" in content:
            heard(content)
        else:
            result = content
    return result
