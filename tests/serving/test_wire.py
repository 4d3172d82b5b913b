"""Counting what is in a message before it is decoded."""

import time

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from synthvlm.alignment.v1 import alignment_pb2
from synthvlm.caption.v1 import caption_pb2
from synthvlm.dataset.requests import MAX_REQUEST_BYTES, Select
from synthvlm.dataset.v1 import dataset_pb2
from synthvlm.errors import InvalidInput
from synthvlm.serving import parse
from synthvlm.serving.wire import MAX_FIELDS, MAX_TEXT_BYTES, check_wire

CAPTIONS = caption_pb2.EvaluateCaptionsRequest.DESCRIPTOR


def largest_selection() -> dataset_pb2.SelectRequest:
    """Every field as large as it may be."""
    shard = {"path": "s" * 512, "digest": f"sha256:{'0' * 64}", "records": 2**63 - 1}
    request = dataset_pb2.SelectRequest(store={"uri": "file:///" + "u" * 2040}, rule={"top_k": 1})
    chain = dataset_pb2.ShardChain(caption_set=shard, image_set=shard, score_set=shard)
    request.shards.extend([chain] * 10_000)
    return request


def test_the_largest_valid_request_passes() -> None:
    request = largest_selection()
    data = request.SerializeToString()
    assert len(data) <= MAX_REQUEST_BYTES
    check_wire(data, dataset_pb2.SelectRequest.DESCRIPTOR)
    assert len(parse(Select, request).shards) == 10_000


@pytest.mark.parametrize(
    "element",
    [
        b"\x0a\x00",  # an empty caption
        b"\x12\x00",  # an empty recipe
        b"\x78\x01",  # a field that is not known
        b"\x0a\x04\x12\x00\x12\x00",  # a caption with two texts
    ],
)
def test_counting_ends_soon(element: bytes) -> None:
    data = element * (47 * 2**20 // len(element))
    began = time.monotonic()
    with pytest.raises(InvalidInput, match=f"more than {MAX_FIELDS} fields"):
        check_wire(data, CAPTIONS)
    assert time.monotonic() - began < 5


def test_elements_of_packed_lists_are_counted() -> None:
    # Of all messages at hand, one that has a list of numbers.
    numbers = descriptor_pb2.SourceCodeInfo.Location(path=[1] * MAX_FIELDS)
    data = numbers.SerializeToString()
    with pytest.raises(InvalidInput, match="fields"):
        check_wire(data, descriptor_pb2.SourceCodeInfo.Location.DESCRIPTOR)


def test_long_strings_are_refused_and_long_bytes_are_not() -> None:
    text = caption_pb2.EvaluateCaptionsRequest(captions=[{"text": "x" * (MAX_TEXT_BYTES + 1)}])
    with pytest.raises(InvalidInput, match="has a string of"):
        check_wire(text.SerializeToString(), CAPTIONS)
    image = alignment_pb2.ScorePairsRequest(pairs=[{"image": bytes(MAX_TEXT_BYTES + 1)}])
    check_wire(image.SerializeToString(), alignment_pb2.ScorePairsRequest.DESCRIPTOR)


@given(st.binary(max_size=40))
def test_bytes_that_are_decoded_are_let_through(data: bytes) -> None:
    """Nothing valid is refused, and nothing raises anything else."""
    for message in (caption_pb2.EvaluateCaptionsRequest, dataset_pb2.SelectRequest):
        kind: type[Message] = message
        try:
            check_wire(data, kind.DESCRIPTOR)
        except InvalidInput:
            with pytest.raises(Exception, match=r"[Pp]ars|[Dd]ecod"):
                kind.FromString(data)
