"""Which records count for a run: its own, and what an earlier attempt finished of the same.

Where the pipeline's cache takes the place of a step, the step leaves no record. The one that counts
is then an earlier attempt's, if that step had the same request and the same inputs.
"""

from collections.abc import Iterable, Mapping, Sequence

from synthvlm.caption.v1.caption_pb2 import ImportResult
from synthvlm.errors import InvalidInput
from synthvlm_pipelines.events import State
from synthvlm_pipelines.records import StageRecord, digest_of
from synthvlm_pipelines.requests import from_json, loop_items
from synthvlm_pipelines.stage import result_text
from synthvlm_pipelines.state import LOOPED, every_stage

_TAKES = {
    "generate": ("curate",),
    "score": ("curate", "generate"),
    "assemble": ("select",),
    "train": ("assemble",),
    "evaluate": ("train",),
}
"""What a stage takes besides its request: the results of these stages, of the same shard."""


def counted(
    records: Iterable[StageRecord],
    attempt: str,
    requests: Mapping[str, str],
    caption_file_digests: Sequence[str],
) -> list[StageRecord]:
    """The records that count.

    Args:
        records: The records in the run's folder.
        attempt: The execution of the run that is looked at.
        requests: Its requests, by stage.
        caption_file_digests: Digests of its caption files.
    """
    known = [one for one in records if one.event.stage in every_stage()]
    found = {(one.event.stage, one.event.shard): one for one in known}
    kept = _Kept(requests, caption_file_digests)
    for stage, shard in sorted(found, key=lambda key: (every_stage().index(key[0]), key[1])):
        record = found[stage, shard]
        is_finished = record.event.state is State.FINISHED
        if record.attempt == attempt or (
            is_finished and record.made_of == kept.expected(stage, shard)
        ):
            kept.records[stage, shard] = record
    return list(kept.records.values())


class _Kept:
    """The records that count so far, and what those of the next stage must be made of."""

    def __init__(self, requests: Mapping[str, str], caption_file_digests: Sequence[str]) -> None:
        self.records: dict[tuple[str, int], StageRecord] = {}
        self._requests = requests
        self._digests = caption_file_digests

    def expected(self, stage: str, shard: int) -> str | None:
        """Digest of what the stage gets on that shard; None if that is not known."""
        try:
            inputs = [self._requests[stage], *self._inputs(stage, shard)]
            items = self._items()[shard] if stage in LOOPED else ""
            return digest_of([*inputs, items])
        except (InvalidInput, LookupError):
            return None

    def _inputs(self, stage: str, shard: int) -> list[str]:
        if stage == "import":
            return list(self._digests)
        if stage == "select":
            every = range(len(self._items()))
            return [self._result(name, number) for name in LOOPED for number in every]
        return [self._result(name, shard) for name in _TAKES.get(stage, ())]

    def _result(self, stage: str, shard: int) -> str:
        return result_text(self.records[stage, shard].event.result)

    def _items(self) -> list[str]:
        return loop_items(from_json(self._result("import", 0), ImportResult()).shards)
