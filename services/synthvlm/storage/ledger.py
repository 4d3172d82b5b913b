"""What runs have taken of devices: an object in the store for each attempt of a run at a shard.

A shard and its manifest are the same however often and by whomever they are made, so what an
attempt took is not part of them. It stands below ``usage/<run>/``, where the report of the run, or
of one that failed, finds all of it by one listing. An attempt that is killed leaves nothing: what
it had taken is not counted, although the batches that it finished are not made again.
"""

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthvlm.errors import DataCorrupt, DomainError, NotFound
from synthvlm.storage.store import Store
from synthvlm.usage import metered, run_name

FOLDER = "usage"

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_log = structlog.get_logger(__name__)


class Attempt(BaseModel):
    """What one attempt at a shard took.

    Attributes:
        kind: Kind of the shard: ``images`` or ``scores``.
        shard: Its path.
        seconds: From the attempt's beginning to its end.
        device_seconds: Of these, seconds in which a device computed for it.
        made: Records that it made, those included that could not be made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    shard: str
    seconds: float = Field(ge=0)
    device_seconds: float = Field(ge=0)
    made: int = Field(ge=0)


@dataclass
class Count:
    """How many records an attempt has made so far."""

    made: int = 0


@contextmanager
def attempted(store: Store, kind: str, shard: str) -> Iterator[Count]:
    """Writes down what the block takes, however it ends, if it works for a run.

    A store that cannot take the entry fails nothing: the work is done by then. The log says so.
    """
    count, began = Count(), time.monotonic()
    with metered() as usage:
        try:
            yield count
        finally:
            run = run_name()
            if _NAME.fullmatch(run) and (count.made or usage.device_seconds):
                entry = Attempt(
                    kind=kind,
                    shard=shard,
                    seconds=round(time.monotonic() - began, 3),
                    device_seconds=round(usage.device_seconds, 3),
                    made=count.made,
                )
                path = f"{FOLDER}/{run}/{kind}-{uuid.uuid4().hex}.json"
                try:
                    store.write(path, entry.model_dump_json().encode())
                except DomainError as error:
                    _log.warning("the usage of a run is not written down", problem=error.message)


@dataclass(frozen=True)
class Taken:
    """What a run took for shards of one kind, all its attempts together."""

    attempts: int = 0
    seconds: float = 0.0
    device_seconds: float = 0.0
    made: int = 0

    def __add__(self, other: Attempt) -> "Taken":
        return Taken(
            self.attempts + 1,
            self.seconds + other.seconds,
            self.device_seconds + other.device_seconds,
            self.made + other.made,
        )


@dataclass(frozen=True)
class RunUsage:
    """What a run took, by kind of shard; empty for what it took nothing for."""

    kinds: dict[str, Taken] = field(default_factory=dict)

    def of(self, kind: str) -> Taken:
        """What it took for shards of a kind."""
        return self.kinds.get(kind, Taken())


def run_usage(store: Store, run: str) -> RunUsage:
    """What a run took, by what its attempts have written down.

    Raises:
        DataCorrupt: An entry is damaged.
        Unavailable: The store cannot be reached.
    """
    kinds: dict[str, Taken] = {}
    for path in store.list(f"{FOLDER}/{run}") if _NAME.fullmatch(run) else ():
        try:
            entry = Attempt.model_validate_json(store.read(path))
        except NotFound:
            continue
        except ValidationError as error:
            raise DataCorrupt(f"{path} in {store.uri} is damaged; delete it") from error
        kinds[entry.kind] = kinds.get(entry.kind, Taken()) + entry
    return RunUsage(kinds)
