"""Where everything on one machine is kept: below one folder, the home."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from synthvlm.errors import InvalidInput, PreconditionFailed
from synthvlm.local.sockets import keep_private

if TYPE_CHECKING:
    # Every command imports this module, and only some need what these bring along.
    from synthvlm.local.places import Places
    from synthvlm.storage import Location

DEFAULT_HOME = Path(".synthvlm")
HOME_VARIABLE = "SYNTHVLM_HOME"


@dataclass(frozen=True)
class Home:
    """The folder of all state, and what lies where in it.

    Attributes:
        root: The folder.
        scratch: Where services write what they need while they run, when nothing can be written to
            the home itself; None: it can.
    """

    root: Path
    scratch: Path | None = None

    @property
    def store(self) -> Path:
        """The folder of all shards and datasets, unless the home's file names another place."""
        return self.root / "store"

    @property
    def store_location(self) -> "Location":
        """Where the object store is: that folder, or what the home's file names."""
        from synthvlm.storage import file_location

        return self.places.location or file_location(self.store)

    @property
    def store_uri(self) -> str:
        """The URI of the object store."""
        return self.store_location.uri

    @property
    def catalogue(self) -> Path:
        """The file of the dataset service's database."""
        return (self.scratch or self.root) / "catalogue.sqlite"

    @property
    def catalogue_url(self) -> str:
        """The dataset service's database: that file, or what the home's file names."""
        return self.places.catalogue or f"sqlite:///{self.catalogue}"

    @property
    def reuse_url(self) -> str:
        """The index of images and scores that the store holds, likewise."""
        return self.places.reuse or f"sqlite:///{self.reuse_index}"

    @property
    def reviews_url(self) -> str:
        """The review service's database, likewise."""
        return self.places.reviews or f"sqlite:///{self.reviews}"

    @property
    def places(self) -> "Places":
        """What the home's file says.

        Raises:
            InvalidInput: It is damaged.
        """
        from synthvlm.local.places import places_of

        return places_of(self.root)

    @property
    def reuse_index(self) -> Path:
        """The file of the index of images and scores."""
        return (self.scratch or self.root) / "reuse.sqlite"

    @property
    def reviews(self) -> Path:
        """The review service's database."""
        return self.root / "review.sqlite"

    @property
    def people(self) -> Path:
        """Those who may judge pairs, with the digests of their tokens."""
        return self.root / "people"

    @property
    def runs(self) -> Path:
        """One folder per run: arguments, progress, log, record and report."""
        return self.root / "runs"

    @property
    def submitted(self) -> Path:
        """One folder per run on a pipelines server: its report."""
        return self.root / "submitted"

    @property
    def tunes(self) -> Path:
        """One folder per grid search: page, profile and numbers."""
        return self.root / "tunes"

    @property
    def state(self) -> Path:
        """Sockets, address files, locks and the token of what is running; closed to other users."""
        return (self.scratch or self.root) / "run"

    @property
    def services_file(self) -> Path:
        """Addresses of the services that are running in this home."""
        return self.root / "run" / "services.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the process that runs this home's services."""
        return self.state / "up.lock"

    def log(self, word: str) -> Path:
        """The log of a service."""
        return (self.scratch or self.root) / "logs" / f"{word}.log"

    def prepare(self) -> None:
        """Creates the folders.

        Raises:
            InvalidInput: The home cannot be written to, or its file is damaged.
        """
        stores = () if self.places.store else (self.store,)
        try:
            for folder in (*stores, self.runs, self.state, self.root / "logs"):
                folder.mkdir(parents=True, exist_ok=True)
            keep_private(self.state)
            if not os.access(self.root, os.W_OK):
                raise PermissionError(f"{self.root} is read-only")
        except OSError as error:
            raise InvalidInput(
                f"the home {self.root} cannot be used ({error}); choose another folder"
            ) from error

    @contextmanager
    def for_reading(self) -> Iterator["Home"]:
        """This home, prepared; one that cannot be written to is read with a folder for scratch.

        Services keep their addresses and logs there, and a copy of the catalogue.

        Raises:
            InvalidInput: There is nothing to read.
        """
        if not self.root.is_dir() or os.access(self.root, os.W_OK):
            self.prepare()
            yield self
            return
        if not self.places.store and not self.store.is_dir():
            raise InvalidInput(f"{self.root} is read-only and holds no datasets")
        with tempfile.TemporaryDirectory(prefix="synthvlm-home-") as folder:
            copy = Home(self.root, Path(folder))
            for made in (copy.state, copy.log("any").parent):
                made.mkdir()
            for file in self.root.glob(f"{self.catalogue.name}*"):
                shutil.copyfile(file, Path(folder) / file.name)
            yield copy

    def new_run(self, name: str) -> Path:
        """Creates the folder of a new run.

        Raises:
            PreconditionFailed: Too many runs began in the same second.
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
