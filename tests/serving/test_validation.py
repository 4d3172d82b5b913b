"""Requests as models: values, and the paths of what is wrong."""

import struct
from typing import Annotated, Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, field_validator, model_validator

from synthvlm.alignment.v1 import alignment_pb2
from synthvlm.dataset.v1 import dataset_pb2
from synthvlm.errors import InvalidInput
from synthvlm.generation.v1 import generation_pb2
from synthvlm.serving import RequestModel, parse
from synthvlm.serving.fields import (
    ShardRefField,
    ShardStoreField,
    StorePath,
    Utf8,
    violation,
)
from synthvlm.serving.validation import shortest_float
from synthvlm.storage import ShardRef, parse_location
from tests.serving.probe import SHARD, GenerateImage, GenerateShard, shard_request


class PairMessage(RequestModel):
    image: Annotated[bytes, Field(max_length=8)]
    caption: Annotated[str, Utf8(8, min_bytes=1)]

    @model_validator(mode="after")
    def _differ(self) -> "PairMessage":
        if self.image == b"same":
            raise violation("must not be {same}")
        if self.image == b"inner":
            raise violation("is wrong", field="caption")
        return self


class ParametersMessage(RequestModel):
    clip_weight: Annotated[float, Field(ge=0, le=1)] | None
    vlm_size: int


class ScorePairs(RequestModel):
    pairs: Annotated[list[PairMessage], Field(min_length=1, max_length=3)]
    parameters: ParametersMessage | None


class StrataMessage(RequestModel):
    column: str
    quantiles: int


class Rule(RequestModel):
    top_k: Annotated[int, Field(ge=1)] | None
    top_fraction: float | None
    strata: StrataMessage | None

    @model_validator(mode="after")
    def _one(self) -> "Rule":
        if self.top_k is None and self.top_fraction is None:
            raise violation("give a limit", field="limit")
        return self


class ChainMessage(RequestModel):
    caption_set: ShardRefField
    image_set: ShardRefField
    score_set: ShardRefField


class Select(RequestModel):
    store: ShardStoreField
    shards: list[ChainMessage]
    rule: Rule


class Diff(RequestModel):
    from_: Annotated[str, Field(alias="from", min_length=1)]
    to: str


class Image(RequestModel):
    """GetImageResponse has a map, which no request has."""

    image_id: str
    caption_id: str
    caption: str
    repeat: int
    seed: int
    generation_json: str
    scores: dict[str, Annotated[float, Field(ge=0)]]
    versions: list[Annotated[str, Utf8(4)]]
    digest: str
    media_type: str
    image: bytes
    truncated: bool | None

    @field_validator("scores")
    @classmethod
    def _few(cls, scores: dict[str, float]) -> dict[str, float]:
        if len(scores) > 3:
            raise ValueError("too many")
        return scores


def wrong(model: type[RequestModel], message: Message) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        parse(model, message)
    return {entry.field: entry.description for entry in caught.value.violations}


def pairs(*entries: tuple[bytes, str], **parameters: Any) -> alignment_pb2.ScorePairsRequest:
    return alignment_pb2.ScorePairsRequest(
        pairs=[alignment_pb2.Pair(image=image, caption=caption) for image, caption in entries],
        parameters=parameters or None,
    )


def test_values_keep_their_meaning() -> None:
    parsed = parse(ScorePairs, pairs((b"\0\xff", "é"), clip_weight=0.3))
    assert parsed.pairs[0] == PairMessage(image=b"\0\xff", caption="é")
    assert parsed.parameters is not None
    assert parsed.parameters.clip_weight == 0.3
    assert parsed.parameters.vlm_size == 0


def test_what_is_unset_is_none_and_zero_is_not() -> None:
    assert parse(ScorePairs, pairs((b"", "a"))).parameters is None
    unset = parse(ScorePairs, pairs((b"", "a"), vlm_size=1)).parameters
    zero = parse(ScorePairs, pairs((b"", "a"), clip_weight=0.0)).parameters
    assert unset is not None
    assert unset.clip_weight is None
    assert zero is not None
    assert zero.clip_weight == 0.0


def test_paths_lead_through_lists_and_messages() -> None:
    request = pairs((b"", "a"), (b"x" * 9, ""), (b"", "éééé!"), clip_weight=2.0)
    assert wrong(ScorePairs, request) == {
        "pairs[1].image": "data should have at most 8 bytes",
        "pairs[1].caption": "must not be empty",
        "pairs[2].caption": "has 9 bytes of UTF-8; 1 to 8 are allowed",
        "parameters.clip_weight": "input should be less than or equal to 1",
    }


def test_validators_of_messages_name_the_message_or_a_field_in_it() -> None:
    found = wrong(ScorePairs, pairs((b"same", "a"), (b"inner", "a")))
    assert found == {"pairs[0]": "must not be {same}", "pairs[1].caption": "is wrong"}


def test_an_empty_list_and_a_missing_message_are_named() -> None:
    assert list(wrong(ScorePairs, pairs())) == ["pairs"]
    found = wrong(Select, dataset_pb2.SelectRequest(shards=[dataset_pb2.ShardChain()]))
    assert found["store"] == "is required"
    assert found["shards[0].image_set"] == "is required"
    assert found["rule"] == "is required"


def test_oneofs_are_none_but_for_the_member_that_is_set() -> None:
    request = dataset_pb2.SelectRequest(
        store={"uri": "file:///data"}, rule=dataset_pb2.SelectionRule(top_fraction=0.0)
    )
    parsed = parse(Select, request)
    assert parsed.rule == Rule(top_k=None, top_fraction=0.0, strata=None)
    assert parsed.store == parse_location("file:///data")
    request.rule.ClearField("top_fraction")
    assert wrong(Select, request) == {"rule.limit": "give a limit"}


def test_shard_references_become_the_stores_own() -> None:
    parsed = parse(GenerateShard, shard_request())
    assert parsed.caption_set == ShardRef(**SHARD)  # type: ignore[arg-type]
    bad = shard_request()
    bad.caption_set.path = "a/../b"
    bad.caption_set.digest = "sha256:ABC"
    bad.caption_set.records = -1
    bad.store.uri = "http://host/data"
    bad.model_digest = "md5:0"
    assert set(wrong(GenerateShard, bad)) == {
        "caption_set.path",
        "caption_set.digest",
        "caption_set.records",
        "store.uri",
        "model_digest",
    }


def test_keywords_have_an_alias() -> None:
    parsed = parse(Diff, dataset_pb2.DiffVersionsRequest(**{"from": "a@1", "to": "a@2"}))
    assert parsed.from_ == "a@1"
    assert list(wrong(Diff, dataset_pb2.DiffVersionsRequest())) == ["from"]


def test_maps_and_lists_of_scalars() -> None:
    message = dataset_pb2.GetImageResponse(
        scores={"clip": 0.5, "a.b": -1.0}, versions=["ok", "too long"]
    )
    assert list(wrong(Image, message)) == ['scores["a.b"]', "versions[1]"]
    message = dataset_pb2.GetImageResponse(scores={str(n): 1.0 for n in range(4)})
    assert list(wrong(Image, message)) == ["scores"]
    assert parse(Image, dataset_pb2.GetImageResponse(scores={"x": 0.1})).scores == {"x": 0.1}


def test_enums_are_names_and_unknown_numbers_stay_numbers() -> None:
    request = generation_pb2.GenerateImageRequest(prompt="a", format="IMAGE_FORMAT_PNG")
    assert parse(GenerateImage, request).format == "IMAGE_FORMAT_PNG"
    request.format = 99  # type: ignore[assignment]
    assert list(wrong(GenerateImage, request)) == ["format"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_only_finite_numbers_pass(value: float) -> None:
    assert list(wrong(ScorePairs, pairs((b"", "a"), clip_weight=value))) == [
        "parameters.clip_weight"
    ]


def test_a_model_that_misses_a_field_is_a_defect_of_the_service() -> None:
    class Incomplete(RequestModel):
        image_id: str

    with pytest.raises(TypeError, match="include_image"):
        parse(Incomplete, dataset_pb2.GetImageRequest(image_id="x"))


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_decimal_means_the_same_float(value: float) -> None:
    short = shortest_float(value)
    assert struct.pack("f", short) == struct.pack("f", value)
    assert len(repr(short)) <= len(repr(value))


@given(st.integers(0, 9999), st.integers(0, 4))
def test_decimals_survive_a_float_field(digits: int, places: int) -> None:
    value = digits / 10**places
    message = alignment_pb2.PairScore(clip_score=value)
    assert shortest_float(message.clip_score) == value


STORE_PATH = TypeAdapter(StorePath)


@given(st.text(alphabet="ab./_-\\ \n", max_size=20))
def test_store_paths_stay_below_the_root(path: str) -> None:
    try:
        accepted = STORE_PATH.validate_python(path)
    except ValueError:
        return
    assert ".." not in accepted.split("/")
    assert not accepted.startswith("/")


LIMITED = TypeAdapter(Annotated[str, Utf8(20, min_bytes=5)])


@given(st.text(alphabet="aé€\N{PILE OF POO}", max_size=22))
def test_utf8_limits_count_bytes(text: str) -> None:
    fits = 5 <= len(text.encode()) <= 20
    try:
        LIMITED.validate_python(text)
    except ValueError:
        assert not fits
    else:
        assert fits
