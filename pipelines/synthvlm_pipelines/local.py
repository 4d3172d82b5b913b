"""Running a pipeline on this machine with ``kfp.local``."""

import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from synthvlm.errors import DomainError, PreconditionFailed


class RunFailedError(DomainError):
    """A step failed, and has reported why."""

    code = "ABORTED"
    reason = "RUN_FAILED"


def run_local(arguments: Mapping[str, Any], root: Path, name: str = "") -> str:
    """Runs a pipeline.

    KFP's cache is off: the services recognise finished work by digests, which is exact, while the
    cache knows only arguments. KFP's temporary files go below ``root``.

    Args:
        arguments: The pipeline's arguments.
        root: Folder for what KFP writes.
        name: Name of the pipeline; by default the dataset run or, without an ``assemble_request``,
            the one up to the selection.

    Returns:
        The run's outcome as JSON.

    Raises:
        RunFailedError: A step failed.
        InvalidInput: There is no such pipeline.
        PreconditionFailed: The interpreter cannot run steps.
    """
    _use_this_python()
    scratch = root / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = str(scratch)
    from kfp import local

    from synthvlm_pipelines.compilation import pipeline_of
    from synthvlm_pipelines.settings import PipelineSettings

    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(root / "steps"),
        workspace_root=str(root / "workspace"),
        enable_caching=False,
    )
    name = name or ("dataset-run" if "assemble_request" in arguments else "selection-run")
    try:
        # Whoever waits hears of a failure at once, and the same command goes on.
        task = pipeline_of(name, PipelineSettings(retries=0, most_shards=0))(**arguments)
    except RuntimeError as error:
        raise RunFailedError(str(error)) from error
    finally:
        shutil.rmtree(scratch)  # a copy of each step's source
    return str(task.output)


def end_with_steps() -> None:
    """Makes SIGTERM and SIGINT end the steps too, when this process leads a group of its own."""

    def end(number: int, _frame: FrameType | None) -> None:
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpgrp(), signal.SIGKILL)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)


def _use_this_python() -> None:
    # KFP replaces the letters "python3" by sys.executable everywhere in a step's command: unquoted
    # in shell text, and even inside arguments such as a folder's name. With the bare name as
    # sys.executable that replacement changes nothing, and PATH finds this very interpreter.
    folder = Path(sys.executable).parent
    if not (folder / "python3").exists():
        raise PreconditionFailed(f"{folder} has no python3; use a virtual environment")
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
    sys.executable = "python3"
