"""What the last step of a run has left in its store: the outcome, and a page for people."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from synthvlm.atomic_files import write_atomically
from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.report.outcome import OUTCOME_FILE, Outcome, run_folder
from synthvlm.storage import Store


def fetch_outcome(store: Store, run_name: str, since: datetime | None) -> Outcome:
    """How a run ended.

    Args:
        store: The run's store.
        run_name: Its name.
        since: When it began: what an earlier run of the same name left says nothing of this one.

    Raises:
        NotFound: It has left nothing.
        DataCorrupt: What it left cannot be read.
    """
    path = f"{run_folder(run_name)}/{OUTCOME_FILE}"
    try:
        outcome = Outcome.model_validate_json(store.read(path))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"])) or "the file"
        raise DataCorrupt(f"{store.uri}/{path} cannot be read: {where}: {problem['msg']}") from None
    if since is not None and outcome.finished.astimezone() < since.astimezone():
        raise NotFound(f"{path} in {store.uri} is of an earlier run of the same name")
    return outcome


def fetch_report(store: Store, run_name: str, folder: Path) -> Path:
    """Copies a run's page, and that of its questions, into a folder of this machine.

    Raises:
        NotFound: There is none.
    """
    page = store.read(f"{run_folder(run_name)}/report.html")
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(NotFound):  # of a run that evaluated no model
        questions = store.read(f"{run_folder(run_name)}/questions.html")
        write_atomically(folder / "questions.html", questions.decode("utf-8", "replace"))
    file = folder / "report.html"
    write_atomically(file, page.decode("utf-8", "replace"))
    return file
