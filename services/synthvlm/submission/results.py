"""What the last step of a run has left in its store: the outcome, and a page for people."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from synthvlm.atomic_files import write_atomically
from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.storage import Store


class _Read(BaseModel):
    """Part of a file that another version may have written: it knows more than this one asks."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class MadeVersion(_Read):
    """The dataset version that a run published."""

    name: str
    version: int
    digest: str
    pairs: int


class Failure(_Read):
    """Why a run has not come to its end; shards are numbered from 0."""

    stage: str
    shard: int = 0
    shards: int = 1
    reason: str

    def text(self) -> str:
        """Stage, shard and reason in one line."""
        where = f" on shard {self.shard + 1} of {self.shards}" if self.shards > 1 else ""
        return f"the stage {self.stage} failed{where}: {self.reason}"


class Result(_Read):
    """How a run ended.

    Attributes:
        finished: When this was written.
        failure: What failed; None: nothing did.
        resume: The command that goes on; empty: the run does not know one.
        counts: Records by what became of them.
        made: Images and scores that the run made.
        reused: Images and scores that it found.
        selection: Its selection's shard; None: it has none.
        version: The dataset version; None: it has none.
        model: The model's shard; None: it has none.
        evaluation: The evaluation's shard; None: it has none.
    """

    finished: datetime
    failure: Failure | None = None
    resume: str = ""
    counts: dict[str, int] = {}
    made: dict[str, int] = {}
    reused: dict[str, int] = {}
    selection: dict[str, Any] | None = None
    version: MadeVersion | None = None
    model: dict[str, Any] | None = None
    evaluation: dict[str, Any] | None = None


def run_folder(run_name: str) -> str:
    """The folder of the store with what a run has left."""
    return f"reports/{run_name}"


def fetch_result(store: Store, run_name: str, since: datetime | None) -> Result:
    """How a run ended.

    Args:
        store: The run's store.
        run_name: Its name.
        since: When it began: what an earlier run of the same name left says nothing of this one.

    Raises:
        NotFound: It has left nothing.
        DataCorrupt: What it left cannot be read.
    """
    path = f"{run_folder(run_name)}/outcome.json"
    try:
        result = Result.model_validate_json(store.read(path))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"])) or "the file"
        raise DataCorrupt(f"{store.uri}/{path} cannot be read: {where}: {problem['msg']}") from None
    if since is not None and result.finished.astimezone() < since.astimezone():
        raise NotFound(f"{path} in {store.uri} is of an earlier run of the same name")
    return result


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
