"""What each step leaves in the run's store: that it began, and how it ended.

The step that ends a run is told no more than that something failed; it finds here what, where and
why. A step that was killed has left only that it began.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass

from synthvlm.errors import InvalidInput
from synthvlm.report.outcome import RUN_NAME, run_folder
from synthvlm.storage import Store, open_store, parse_location
from synthvlm_pipelines.events import StageEvent, State


@dataclass(frozen=True)
class StageRecord:
    """How a step stands.

    Attributes:
        event: What it told of last: ``started``, ``finished`` or ``failed``.
        began: When it began, in seconds since 1970.
        at: When this was written.
        attempt: Which execution of the run it belongs to. Where the pipeline's cache takes the
            place of a step, the record of an earlier execution stays.
        made_of: Digest of the step's request and of what earlier steps gave it.
    """

    event: StageEvent
    began: float
    at: float
    attempt: str
    made_of: str


class RunFolder:
    """A run's folder in its store, ``reports/<run name>``.

    Args:
        store_uri: The run's object store.
        run_name: The run's name.

    Raises:
        InvalidInput: The name is not valid, or no store can be there.
        Unavailable: The store cannot be reached.
    """

    def __init__(self, store_uri: str, run_name: str) -> None:
        if not re.fullmatch(RUN_NAME, run_name):
            raise InvalidInput(
                f"run_name {run_name!r} is not a valid name of a run; use 1 to 100 characters of "
                f"a-z, 0-9 and -, starting with a letter or digit"
            )
        self.run_name = run_name
        self.store: Store = open_store(parse_location(store_uri))
        self.path = run_folder(run_name)

    def leave(self, record: StageRecord) -> None:
        """Writes a step's record, in the place of its earlier one."""
        event = record.event
        content = {**asdict(record), **asdict(event)}
        del content["event"]
        path = f"{self.path}/stages/{event.stage}-{event.shard}.json"
        self.store.write(path, json.dumps(content, ensure_ascii=False).encode())

    def records(self) -> list[StageRecord]:
        """The records of all steps; one that this version cannot read is another version's."""
        records = []
        for path in self.store.list(f"{self.path}/stages"):
            with suppress(TypeError, ValueError, KeyError):
                records.append(_parsed(self.store.read(path)))
        return records


def _parsed(data: bytes) -> StageRecord:
    content = json.loads(data)
    own = {name: content.pop(name) for name in ("began", "at", "attempt", "made_of")}
    return StageRecord(StageEvent(**{**content, "state": State(content["state"])}), **own)


def digest_of(inputs: Iterable[str]) -> str:
    """Digest of what a step was given."""
    return hashlib.sha256(json.dumps(list(inputs)).encode()).hexdigest()
