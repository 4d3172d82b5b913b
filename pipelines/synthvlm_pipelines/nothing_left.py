"""Why a run has nothing to publish: what each stage dropped or could not use, and how much."""

from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from synthvlm.alignment.v1 import alignment_pb2
from synthvlm.caption.v1 import caption_pb2
from synthvlm.generation.v1 import generation_pb2
from synthvlm.storage.protos import counts_by_rule
from synthvlm.storage.v1 import shard_pb2
from synthvlm_pipelines.state import RunState

M = TypeVar("M", bound=Message)


def why_nothing_is_left(state: RunState) -> str | None:
    """One line on the first stage that left nothing; None when each that is finished left some."""
    curated = _finished(state, "curate", caption_pb2.CurateResult)
    if curated and not sum(result.kept for result in curated):
        read = sum(result.read for result in curated)
        return (
            f"nothing is left after curation: all of {read:,} captions were dropped "
            f"({_shown(_counted(result.dropped for result in curated))}); use another --recipe, or "
            f"other captions"
        )
    generated = _finished(state, "generate", generation_pb2.GenerateResult)
    if generated and not sum(result.generated for result in generated):
        failed = _counted(result.failed for result in generated)
        return (
            f"no image can be used: none of {failed.total():,} could be made ({_shown(failed)}); "
            f"the profile's model does not work as it should"
        )
    scored = _finished(state, "score", alignment_pb2.ScoreResult)
    if scored and not sum(result.scored for result in scored):
        made = sum(result.generated for result in generated)
        return (
            f"no image can be used: none of {made:,} could be scored "
            f"({_shown(_counted(result.failed for result in scored))})"
        )
    return None


def parsed(state: RunState, stage: str, kind: type[M]) -> list[M]:
    """The results of a stage's finished shards."""
    return [json_format.ParseDict(result, kind()) for result in state.results(stage)]


def _finished(state: RunState, stage: str, kind: type[M]) -> list[M]:
    """The results of a stage that is finished on every shard; else none."""
    is_finished = stage in state.stages and state.stages[stage].is_finished
    return parsed(state, stage, kind) if is_finished else []


def _counted(results: Iterable[Iterable[shard_pb2.DropCount]]) -> Counter[str]:
    counts = Counter[str]()
    for result in results:
        counts.update(counts_by_rule(result))
    return counts


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{number:,} {reason}" for reason, number in counts.most_common())
