"""Where everything is kept that runs on one machine: below one folder, the home."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from synthvlm.errors import InvalidInput, PreconditionFailed
from synthvlm.local.sockets import keep_private

DEFAULT_HOME = Path(".synthvlm")
HOME_VARIABLE = "SYNTHVLM_HOME"


@dataclass(frozen=True)
class Home:
    """The folder of all state, and what lies where in it."""

    root: Path

    @property
    def store(self) -> Path:
        """The object store of all shards and datasets."""
        return self.root / "store"

    @property
    def catalogue(self) -> Path:
        """The dataset service's database."""
        return self.root / "catalogue.sqlite"

    @property
    def exports(self) -> Path:
        """Where exports are written before they are moved to the place that was asked for."""
        return self.root / "exports"

    @property
    def runs(self) -> Path:
        """One folder a run: arguments, progress, log, record and report."""
        return self.root / "runs"

    @property
    def tunes(self) -> Path:
        """One folder a grid search: page, profile and numbers."""
        return self.root / "tunes"

    @property
    def state(self) -> Path:
        """Sockets, address files, locks and the token of what is running; closed to other users."""
        return self.root / "run"

    @property
    def services_file(self) -> Path:
        """Addresses of the services that are running in this home."""
        return self.state / "services.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the process that runs this home's services."""
        return self.state / "up.lock"

    def log(self, word: str) -> Path:
        """The log of a service."""
        return self.root / "logs" / f"{word}.log"

    def prepare(self) -> None:
        """Makes the folders.

        Raises:
            InvalidInput: The home cannot be written to.
        """
        try:
            for folder in (self.store, self.runs, self.state, self.exports, self.root / "logs"):
                folder.mkdir(parents=True, exist_ok=True)
            keep_private(self.state)
            if not os.access(self.root, os.W_OK):
                raise PermissionError(f"{self.root} is read-only")
        except OSError as error:
            raise InvalidInput(
                f"the home {self.root} cannot be used ({error}); choose another folder"
            ) from error

    def new_run(self, name: str) -> Path:
        """Makes the folder of a new run.

        Raises:
            PreconditionFailed: There are too many that began in the same second.
        """
        started = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        for number in range(1, 1000):
            folder = self.runs / f"{started}-{name}{'' if number == 1 else f'-{number}'}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            return folder
        raise PreconditionFailed(f"{self.runs} is full of runs started at {started}")


def home_at(folder: Path | None) -> Home:
    """The home in ``folder``, else in ``$SYNTHVLM_HOME``, else in ``./.synthvlm``."""
    named = folder or Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME)
    return Home(named.expanduser().resolve())
