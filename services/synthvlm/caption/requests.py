"""The requests of the caption service, validated against the limits in the proto."""

from typing import Annotated

from pydantic import Field

from synthvlm.caption.importing import MAX_CAPTION_BYTES
from synthvlm.caption.readers import MAX_ID_CHARACTERS, Format
from synthvlm.caption.recipe import MAX_RECIPE_BYTES
from synthvlm.serving.fields import (
    Matches,
    RequestModel,
    ShardRefField,
    ShardStoreField,
    Utf8,
)

DEFAULT_SHARD_SIZE = 10_000
"""Captions of a pool shard when the request says nothing."""

DEFAULT_MAX_SET_ASIDE = 0.1
"""Largest share of the records that an import may set aside when the request says nothing."""
MAX_REQUEST_BYTES = 17 * 2**20
"""Most bytes of an encoded request: a thousand captions of 16 KiB with their ids."""

RecipeYaml = Annotated[str, Utf8(MAX_RECIPE_BYTES)]
FileReference = Annotated[str, Utf8(4096, min_bytes=1)]
Column = Annotated[str, Field(max_length=256)]


class Caption(RequestModel):
    """``Caption``."""

    id: Annotated[str, Field(max_length=MAX_ID_CHARACTERS)]
    text: Annotated[str, Utf8(MAX_CAPTION_BYTES)]


class EvaluateCaptions(RequestModel):
    """``EvaluateCaptionsRequest``."""

    captions: Annotated[list[Caption], Field(min_length=1, max_length=1000)]
    recipe_yaml: RecipeYaml


class FileLayout(RequestModel):
    """``FileLayout``."""

    format: Annotated[str, Matches(f"({'|'.join(Format)})?", f"one of {', '.join(Format)}")]
    id_column: Column | None
    delimiter: Annotated[
        str,
        Matches("[\\t -~]?", "one ASCII character"),
        Matches('[^A-Za-z0-9"]?', "neither a letter, a digit nor a quotation mark"),
    ]
    columns: Annotated[list[Column], Field(max_length=1000)]


class EvaluateFile(RequestModel):
    """``EvaluateFileRequest``."""

    file: FileReference
    column: Column
    recipe_yaml: RecipeYaml
    layout: FileLayout | None


class ImportCaptions(RequestModel):
    """``ImportCaptionsRequest``."""

    store: ShardStoreField
    files: Annotated[list[FileReference], Field(min_length=1, max_length=1000)]
    column: Column
    shard_size: Annotated[int, Field(ge=0, le=100_000)]
    layout: FileLayout | None
    max_set_aside: Annotated[float, Field(ge=0, le=1)] | None


class CurateShard(RequestModel):
    """``CurateShardRequest``."""

    store: ShardStoreField
    pool: ShardRefField
    recipe_yaml: RecipeYaml
