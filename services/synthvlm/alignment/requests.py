"""The requests of the alignment service, validated against the limits in the proto."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from synthvlm.alignment.config import AlignmentSettings
from synthvlm.alignment.limits import ClipWeight, VlmSize
from synthvlm.alignment.scorer import ScoreParameters
from synthvlm.limits import MAX_PROMPT_BYTES
from synthvlm.serving.fields import (
    OptionalDigest,
    RequestModel,
    ShardRefField,
    ShardStoreField,
    Utf8,
    violation,
)

MAX_IMAGE_BYTES = 8 * 2**20
"""Maximum size of an encoded image in a request."""

MAX_PAIRS_BYTES = 32 * 2**20
"""Maximum total size of the pairs in a request."""


MAX_REQUEST_BYTES = 33 * 2**20
"""Most bytes of an encoded request: 32 MiB of pairs."""


def _unset(value: Any) -> Any:
    """Zero means that the field is not set."""
    return None if value == 0 else value


class Parameters(RequestModel):
    """``ScoreParameters``; None: the profile's value."""

    clip_weight: ClipWeight | None
    vlm_size: Annotated[VlmSize | None, BeforeValidator(_unset)]


class PairMessage(RequestModel):
    """``Pair``. Whether the image can be decoded is not checked here."""

    image: Annotated[bytes, Field(min_length=1, max_length=MAX_IMAGE_BYTES)]
    caption: Annotated[str, Utf8(MAX_PROMPT_BYTES, min_bytes=1)]


class ScorePairs(RequestModel):
    """``ScorePairsRequest``."""

    pairs: Annotated[list[PairMessage], Field(min_length=1, max_length=64)]
    parameters: Parameters | None

    @model_validator(mode="after")
    def _is_small_enough(self) -> "ScorePairs":
        size = sum(len(pair.image) + len(pair.caption.encode()) for pair in self.pairs)
        if size > MAX_PAIRS_BYTES:
            raise violation(
                f"have {size} bytes in total; at most {MAX_PAIRS_BYTES} are allowed", "pairs"
            )
        return self


class ScoreShard(RequestModel):
    """``ScoreShardRequest``."""

    store: ShardStoreField
    caption_set: ShardRefField
    image_set: ShardRefField
    parameters: Parameters | None
    model_digest: OptionalDigest


def complete(parameters: Parameters | None, settings: AlignmentSettings) -> ScoreParameters:
    """A request's parameters, with the profile's values for everything unset."""
    clip_weight = None if parameters is None else parameters.clip_weight
    vlm_size = None if parameters is None else parameters.vlm_size
    return ScoreParameters(
        settings.prompt_prefix, vlm_size or settings.vlm_size, settings.weighting(clip_weight)
    )
