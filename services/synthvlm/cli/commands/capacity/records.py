"""The record of a finished run, in a home or, for one on a cluster, in its store."""

from pathlib import Path

from pydantic import ValidationError

from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.local.home import Home
from synthvlm.report.outcome import run_folder
from synthvlm.report.record import RunRecord
from synthvlm.report.write import RECORD_FILE, stored_record
from synthvlm.storage import Store, is_safe_path


def record_in_store(store: Store, run: str) -> RunRecord:
    """The record of the run ``run`` in a store.

    Raises:
        NotFound: There is none.
        DataCorrupt: It is damaged.
    """
    missing = NotFound(
        f"there is no {run_folder(run)}/{RECORD_FILE} in {store.uri}: give the name of a run "
        f"that is finished on a cluster, or leave out --store for one of this machine"
    )
    if not is_safe_path(run) or "/" in run:
        raise missing
    try:
        return stored_record(store, run_folder(run))
    except NotFound as error:
        raise missing from error


def record_in_home(home: Home, run: str) -> RunRecord:
    """The record of a run of a home: of the folder ``run``, or the newest of the dataset ``run``.

    Raises:
        NotFound: There is none.
        DataCorrupt: It is damaged.
    """
    finished = sorted(home.runs.glob(f"*/{RECORD_FILE}"), reverse=True)
    for file in finished:
        if file.parent.name == run:
            return _read(file)
    for file in finished:
        if run in file.parent.name and (record := _read(file)).name == run:
            return record
    raise NotFound(
        f"no finished run in {home.runs} is called {run}, or made a version of the dataset {run}"
    )


def _read(file: Path) -> RunRecord:
    try:
        return RunRecord.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise DataCorrupt(f"{file} is not the record of a run: {error}") from error
