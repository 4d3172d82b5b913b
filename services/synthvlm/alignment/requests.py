"""The requests of the alignment service, with every limit that the proto states."""

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
"""Most bytes of an encoded image in a request."""

MAX_PAIRS_BYTES = 32 * 2**20
"""Most bytes of all pairs of a request."""


def _unset(value: Any) -> Any:
    """Zero stands for a field that is not set."""
    return None if value == 0 else value


class Parameters(RequestModel):
    """``ScoreParameters``; None: as the profile says."""

    clip_weight: ClipWeight | None
    vlm_size: Annotated[VlmSize | None, BeforeValidator(_unset)]


class PairMessage(RequestModel):
    """``Pair``. Whether the image can be decoded shows when it is."""

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
                f"have {size} bytes in all; at most {MAX_PAIRS_BYTES} are allowed", "pairs"
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
    """The complete parameters of a request whose message may be unset."""
    clip_weight = None if parameters is None else parameters.clip_weight
    vlm_size = None if parameters is None else parameters.vlm_size
    return ScoreParameters(
        settings.prompt_prefix, vlm_size or settings.vlm_size, settings.weighting(clip_weight)
    )
