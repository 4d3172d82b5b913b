"""The processes of a run, found so that they can be killed."""

from itertools import pairwise

import psutil

from synthvlm.local.words import WORDS

VICTIMS = ("command", *WORDS, "pipeline", "step")
"""All processes of a run: its command, the services, the pipeline and the pipeline's steps."""

_STEP = "kfp.dsl.executor_main"


def find_victim(victim: str, command: psutil.Process) -> psutil.Process | None:
    """A process of a run that has its own services; None: it is not running.

    Args:
        victim: One of ``VICTIMS``.
        command: The process of ``synthvlm run``.
    """
    if victim == "command":
        return command
    if victim == "step":
        steps = [p for p in command.children(recursive=True) if _runs(p, _STEP)]
        return steps[0] if steps else None
    module = "synthvlm_pipelines" if victim == "pipeline" else f"synthvlm.{victim}"
    return next((p for p in command.children() if _runs(p, module)), None)


def _runs(process: psutil.Process, module: str) -> bool:
    """Whether it is ``python -m module``, or about to become that."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return ("-m", module) in pairwise(words)
