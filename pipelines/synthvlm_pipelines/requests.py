"""The stages' requests, and the shards that steps hand on: proto messages as JSON texts.

A step gets its stage's whole request and passes it on, so it knows only the fields that hold the
shards of earlier steps. JSON keeps what KFP's own types lose: numbers above 2^53, and integers
inside lists and maps, which become floats there.
"""

import dataclasses
import json
from collections.abc import Iterable
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from synthvlm.alignment.v1.alignment_pb2 import ScoreShardRequest
from synthvlm.caption.v1.caption_pb2 import CurateShardRequest, ImportCaptionsRequest
from synthvlm.dataset.v1.dataset_pb2 import AssembleRequest, SelectRequest
from synthvlm.errors import InvalidInput
from synthvlm.generation.v1.generation_pb2 import GenerateShardRequest
from synthvlm.storage.v1.shard_pb2 import ShardRef

M = TypeVar("M", bound=Message)

MAX_SHARDS = 100
"""Shards of a run. The selection's step gets the results of all of them as one argument of its
process, of which Linux takes 128 KiB; a shard's three results have about 600 bytes, and a thousand
where every rule of a recipe has dropped captions."""


@dataclasses.dataclass(frozen=True)
class StageRequests:
    """The request of each stage of a dataset run, without the shards that earlier stages make."""

    import_captions: ImportCaptionsRequest = dataclasses.field(
        default_factory=ImportCaptionsRequest
    )
    curate: CurateShardRequest = dataclasses.field(default_factory=CurateShardRequest)
    generate: GenerateShardRequest = dataclasses.field(default_factory=GenerateShardRequest)
    score: ScoreShardRequest = dataclasses.field(default_factory=ScoreShardRequest)
    select: SelectRequest = dataclasses.field(default_factory=SelectRequest)
    assemble: AssembleRequest = dataclasses.field(default_factory=AssembleRequest)
    train: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The TrainingRequest without dataset and store; empty: no model is trained."""
    evaluate: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The EvaluationRequest without model and store; empty: no model is evaluated."""

    def set_store(self, uri: str) -> None:
        """Lets every stage read and write below ``uri``."""
        for request in self._all().values():
            if isinstance(request, Message):
                request.store.uri = uri  # type: ignore[attr-defined]
            elif request:
                request["store"] = uri

    def arguments(self) -> dict[str, str]:
        """The pipeline's arguments ``<stage>_request``; empty for a stage that is left out."""
        return {f"{name}_request": _text(request) for name, request in self._all().items()}

    def _all(self) -> dict[str, Message | dict[str, Any]]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def _text(request: Message | dict[str, Any]) -> str:
    if isinstance(request, Message):
        return to_json(request)
    return json.dumps(request, sort_keys=True) if request else ""


def stage_request(text: str, kind: type[M], **outputs: str) -> M:
    """A stage's request, with the shards that earlier steps made filled in.

    Args:
        text: The request, as submitted with the run.
        kind: The type of the request.
        outputs: As for ``with_shards``.

    Raises:
        InvalidInput: The text is not such a request, or an output does not contain its shard.
    """
    return with_shards(from_json(text, kind()), **outputs)


def with_shards(message: M, **outputs: str) -> M:
    """Fills in shards that earlier steps made.

    Args:
        message: The message to fill in.
        outputs: By field of the message: the step's result (or the loop's item) that contains the
            shard under the same name.

    Raises:
        InvalidInput: An output does not contain its shard.
    """
    for field, output in outputs.items():
        shard = json.loads(output).get(field)
        if shard is None:
            raise InvalidInput(f"the result of an earlier step has no {field}")
        getattr(message, field).CopyFrom(from_json(json.dumps(shard), ShardRef()))
    return message


def loop_items(pool: Iterable[ShardRef], most: int = 0) -> list[str]:
    """The items that a run fans out over: each holds a ``pool`` shard and its number.

    Args:
        pool: The pool shards.
        most: Shards that a run may have; 0: as many as the selection can be told of.

    Raises:
        InvalidInput: The pool is empty, or has too many shards.
    """
    pool = list(pool)
    limit = min(most or MAX_SHARDS, MAX_SHARDS)
    if len(pool) > limit:
        captions = sum(ref.records for ref in pool)
        raise InvalidInput(
            f"{captions:,} captions are {len(pool):,} shards, and this run may have {limit}: use "
            f"--shard-size {-(-captions // limit)} or more, or split the captions over several runs"
        )
    shards = [json.loads(to_json(ref)) for ref in pool]
    if not shards:
        raise InvalidInput("the caption files contain no usable caption")
    return [
        json.dumps({"shard": number, "shards": len(shards), "pool": shard}, sort_keys=True)
        for number, shard in enumerate(shards)
    ]


def to_json(message: Message) -> str:
    """A message as JSON with the proto's field names; equal messages give the same text."""
    text = json_format.MessageToJson(
        message,
        preserving_proto_field_name=True,
        indent=None,
        sort_keys=True,
        ensure_ascii=False,  # KFP escapes it anyway, and a step's arguments must be below 128 KiB
    )
    return str(text)


def from_json(text: str, message: M) -> M:
    """The message that ``to_json`` wrote, parsed into ``message``.

    Raises:
        InvalidInput: The text is not such a message.
    """
    name = message.DESCRIPTOR.name
    if not text.lstrip().startswith("{"):  # the parser takes an empty list for an empty message
        raise InvalidInput(f"the JSON is not a valid {name}: it must be an object")
    try:
        json_format.Parse(text, message)
    except json_format.ParseError as error:
        raise InvalidInput(f"the JSON is not a valid {name}: {error}") from error
    return message
