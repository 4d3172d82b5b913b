"""The requests of the dataset service, validated against the limits in the proto."""

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, FailFast, Field, model_validator

from synthvlm.dataset.best import SelectionRule, Strata
from synthvlm.dataset.chains import ShardChain
from synthvlm.dataset.exports.card import UNKNOWN_LICENCE
from synthvlm.dataset.exports.reserved import ExportFormat, ReservedRule
from synthvlm.dataset.versions import NAME, Reference, parse_reference
from synthvlm.serving.fields import (
    Matches,
    PageToken,
    RequestId,
    RequestModel,
    ShardRefField,
    ShardStoreField,
    StoreUri,
    violation,
)
from synthvlm.storage import canonical_json

MAX_CONFIGURATION_BYTES = 256 * 1024
"""Largest configuration of a run, in bytes of JSON."""

MAX_REQUEST_BYTES = 18 * 2**20
"""Most bytes of an encoded request: ten thousand chains of shards."""

MAX_QUANTILES = 1000
"""Most strata by quantiles."""

MAX_CLUSTERS = 100
"""Most strata by clusters."""

_NAME_RULE = "1 to 64 characters of [a-z0-9-], starting with a letter or digit"


def _reference(text: str) -> Reference:
    try:
        return parse_reference(text)
    except ValueError as error:
        raise violation(str(error)) from None


def _configuration(text: str) -> dict[str, Any]:
    """The JSON object in a string; an empty string means an empty object."""
    if len(text.encode()) > MAX_CONFIGURATION_BYTES:
        raise violation(f"must have at most {MAX_CONFIGURATION_BYTES} bytes")
    try:
        value = json.loads(text or "{}")
        # A value without a canonical form (NaN, a lone surrogate) cannot be part of an identity.
        canonical_json(value)
    except (ValueError, RecursionError) as error:
        raise violation(f"must be JSON: {error}") from None
    if not isinstance(value, dict):
        raise violation("must be a JSON object")
    return value


VersionReference = Annotated[Reference, BeforeValidator(_reference)]
"""A parsed reference to a version."""


class ShardChainMessage(RequestModel):
    """``ShardChain``."""

    caption_set: ShardRefField
    image_set: ShardRefField
    score_set: ShardRefField

    def chain(self) -> ShardChain:
        """The chain in the domain's terms."""
        return ShardChain(self.caption_set, self.image_set, self.score_set)


def _several(most: int) -> BeforeValidator:
    """That a number of strata is 0, or from 2 to ``most``."""

    def check(number: int) -> int:
        if number and not 2 <= number <= most:
            raise violation(f"must be 0, or from 2 to {most:,}")
        return number

    return BeforeValidator(check)


class StrataMessage(RequestModel):
    """``Strata``."""

    column: Annotated[str, Field(max_length=64)]
    quantiles: Annotated[int, _several(MAX_QUANTILES)]
    clusters: Annotated[int, _several(MAX_CLUSTERS)]

    @model_validator(mode="after")
    def _has_one_division(self) -> "StrataMessage":
        if not self.column and not self.clusters:
            raise violation("must not be empty, unless there are clusters", "column")
        if self.column and self.clusters:
            raise violation("must be 0 with a column", "clusters")
        if self.quantiles and self.clusters:
            raise violation("must be 0 with clusters", "quantiles")
        return self


class SelectionRuleMessage(RequestModel):
    """``SelectionRule``."""

    top_k: Annotated[int, Field(ge=1)] | None
    top_fraction: Annotated[float, Field(gt=0, le=1)] | None
    strata: StrataMessage | None

    @model_validator(mode="after")
    def _has_limit(self) -> "SelectionRuleMessage":
        if self.top_k is None and self.top_fraction is None:
            raise violation("needs top_k or top_fraction")
        return self

    def rule(self) -> SelectionRule:
        """The rule in the domain's terms."""
        strata = None
        if self.strata is not None:
            strata = Strata(**self.strata.model_dump())
        return SelectionRule(self.top_k, self.top_fraction, strata)


class Select(RequestModel):
    """``SelectRequest``."""

    store: ShardStoreField
    # Without FailFast, ten thousand wrong chains would be described one by one.
    shards: Annotated[list[ShardChainMessage], Field(min_length=1, max_length=10_000), FailFast()]
    rule: SelectionRuleMessage


class Assemble(RequestModel):
    """``AssembleRequest``."""

    store: ShardStoreField
    selection: ShardRefField
    name: Annotated[str, Matches(NAME, _NAME_RULE)]
    shard_size: Annotated[int, Field(ge=0, le=100_000)]
    configuration_json: Annotated[dict[str, Any], BeforeValidator(_configuration)]
    request_id: RequestId
    review_set: ShardRefField | None


class ListVersions(RequestModel):
    """``ListVersionsRequest``."""

    name: Annotated[str, Matches(f"({NAME})?", f"empty, or {_NAME_RULE}")]
    page_size: Annotated[int, Field(ge=0, le=1000)]
    page_token: PageToken


class GetVersion(RequestModel):
    """``GetVersionRequest``."""

    version: VersionReference


class DiffVersions(RequestModel):
    """``DiffVersionsRequest``."""

    older: Annotated[VersionReference, Field(alias="from")]
    newer: Annotated[VersionReference, Field(alias="to")]


class GetImage(RequestModel):
    """``GetImageRequest``."""

    image_id: Annotated[
        str, Matches("[A-Za-z0-9_-]{8,128}", "an image id or at least its first eight characters")
    ]
    include_image: bool


class ExportVersion(RequestModel):
    """``ExportVersionRequest``."""

    version: VersionReference
    format: Literal["EXPORT_FORMAT_WEBDATASET", "EXPORT_FORMAT_LLAVA", "EXPORT_FORMAT_PARQUET"]
    destination_uri: StoreUri
    reserved: Literal[
        "RESERVED_WORDS_UNSPECIFIED", "RESERVED_WORDS_DROP", "RESERVED_WORDS_NEUTRALISE"
    ]
    license: Annotated[
        str, Matches("([a-z0-9][a-z0-9.-]{0,63})?", "an identifier such as cc-by-4.0, or empty")
    ]

    @property
    def licence(self) -> str:
        """The licence for the dataset card."""
        return self.license or UNKNOWN_LICENCE

    @property
    def rule(self) -> ReservedRule:
        """What becomes of captions with reserved words; they are dropped unless it is said."""
        if self.reserved == "RESERVED_WORDS_UNSPECIFIED":
            return ReservedRule.DROP
        return ReservedRule(self.reserved.removeprefix("RESERVED_WORDS_").lower())

    @property
    def form(self) -> ExportFormat:
        """The requested format."""
        return ExportFormat(self.format.removeprefix("EXPORT_FORMAT_").lower())
