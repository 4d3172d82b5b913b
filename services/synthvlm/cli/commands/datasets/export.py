"""Exporting a dataset version into one of the user's folders."""

import shutil
import tempfile
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from synthvlm.cli.failures import WrongUsageError
from synthvlm.cli.terminal.output import stderr_console
from synthvlm.client import DatasetClient
from synthvlm.dataset.v1 import dataset_pb2
from synthvlm.local.home import Home
from synthvlm.storage import file_uri
from synthvlm.storage.v1 import shard_pb2


def export_version(
    client: DatasetClient, home: Home, version: str, form: str, to: Path
) -> list[str]:
    """Exports below the home, where the service may write, then moves the files to ``to``.

    Returns:
        The files, relative to ``to``.

    Raises:
        WrongUsageError: ``to`` is a file or a folder that is not empty.
    """
    if to.is_file() or (to.is_dir() and any(to.iterdir())):
        raise WrongUsageError(f"--to {to} exists already; give a new or empty folder")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.exports) as folder, _progress() as progress:
        task = progress.add_task("pairs", total=None)

        def show(done: shard_pb2.ShardProgress) -> None:
            progress.update(task, completed=done.done, total=done.total or None)

        request = dataset_pb2.ExportVersionRequest(
            version=version,
            format=f"EXPORT_FORMAT_{form.upper()}",
            destination_uri=file_uri(Path(folder) / "files"),
        )
        files = list(client.export_version(request, on_progress=show))
        if to.is_dir():
            to.rmdir()
        shutil.move(Path(folder) / "files", to)
    return files


def _progress() -> Progress:
    columns = (
        "[progress.description]{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = stderr_console()
    return Progress(*columns, console=console, disable=not console.is_terminal)
