"""A stage's request reaches its service as it was submitted, whatever it contains."""

import json
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthvlm import __version__
from synthvlm.caption.v1.caption_pb2 import CurateShardRequest
from synthvlm.dataset.v1.dataset_pb2 import ShardChain
from synthvlm.errors import InvalidInput
from synthvlm.generation.v1.generation_pb2 import GenerateShardRequest
from synthvlm.storage.v1.shard_pb2 import ShardRef
from synthvlm_pipelines.components.assemble import assemble
from synthvlm_pipelines.components.curate import curate
from synthvlm_pipelines.components.generate import generate
from synthvlm_pipelines.components.import_captions import import_captions
from synthvlm_pipelines.components.score import score
from synthvlm_pipelines.components.select import select
from synthvlm_pipelines.events import PROGRESS_FILE
from synthvlm_pipelines.requests import (
    MAX_SHARDS,
    StageRequests,
    from_json,
    loop_items,
    stage_request,
    to_json,
    with_shards,
)

EXAMPLES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return messages(field.message_type)
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return {
        FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
        FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
        FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
        FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32, allow_nan=False),
        FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False),
        FieldDescriptor.CPPTYPE_STRING: st.text(max_size=40),
    }[field.cpp_type]


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor) -> Message:
    """Messages of a kind, with any of their fields set to anything that the field can hold."""
    message = message_factory.GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if draw(st.booleans()):
            continue
        if field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(values(field), max_size=3)))
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(draw(values(field)))
        else:
            setattr(message, field.name, draw(values(field)))
    return message


def ref(kind: str) -> ShardRef:
    return ShardRef(path=f"{kind}/1", digest="sha256:1", records=2**60 + 1)


ITEM = loop_items([ShardRef(path="pool/0"), ref("pool")])[1]
CURATED, GENERATED, SCORED, SELECTED = (
    json.dumps({name: json.loads(to_json(ref(name))), "other": 1})
    for name in ("caption_set", "image_set", "score_set", "selection")
)
CHAIN = ShardChain(
    caption_set=ref("caption_set"), image_set=ref("image_set"), score_set=ref("score_set")
)
STEPS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "import_captions": (import_captions, {"caption_file_digests": []}, {}),
    "curate": (curate, {"item": ITEM}, {"pool": ref("pool")}),
    "generate": (
        generate,
        {"item": ITEM, "curated": CURATED},
        {"caption_set": ref("caption_set")},
    ),
    "score": (
        score,
        {"item": ITEM, "curated": CURATED, "generated": GENERATED},
        {"caption_set": ref("caption_set"), "image_set": ref("image_set")},
    ),
    "select": (
        select,
        {"curated": [CURATED] * 2, "generated": [GENERATED] * 2, "scored": [SCORED] * 2},
        {"shards": [CHAIN, CHAIN]},
    ),
    "assemble": (assemble, {"selected": SELECTED}, {"selection": ref("selection")}),
}
"""For each stage: its component, what earlier steps give it, and the fields that this fills."""


@pytest.mark.parametrize("name", STEPS)
def test_a_step_sends_its_request_unchanged_but_for_the_shards(
    name: str, recorder, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRESS_FILE, str(tmp_path / "progress.jsonl"))
    component, outputs, shards = STEPS[name]
    kind = type(getattr(StageRequests(), name))

    @EXAMPLES
    @given(messages(kind.DESCRIPTOR))
    def send(request: Message) -> None:
        component.python_func(
            address=recorder.address,
            request=to_json(request),
            code_version=__version__,
            run_name="a-run",
            store_uri="memory://requests",
            **outputs,
        )
        received = recorder.requests[name.removesuffix("_captions")].pop()
        for field in shards:
            request.ClearField(field)
        request.MergeFrom(kind(**shards))
        assert received == request

    send()


def test_large_seeds_keep_every_digit() -> None:
    request = GenerateShardRequest(run_seed=2**63 - 1)
    assert json.loads(to_json(request)) == {"run_seed": str(2**63 - 1)}
    assert stage_request(to_json(request), GenerateShardRequest) == request


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", '{"stepz": 1}', '{"repeats": "x"}', '{"run_seed": -1}']
)
def test_wrong_json_is_explained(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a valid GenerateShardRequest: "):
        from_json(text, GenerateShardRequest())


def test_a_result_without_its_shard_is_explained() -> None:
    with pytest.raises(InvalidInput, match="the result of an earlier step has no pool"):
        with_shards(CurateShardRequest(), pool=to_json(ShardRef(path="x")))


def test_a_pool_without_captions_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no usable caption"):
        loop_items([])


def test_more_shards_than_a_selection_can_be_told_of_are_refused_before_any_image_is_made():
    def pool(shards: int) -> list[ShardRef]:
        return [ShardRef(path=f"pool/{number}", records=1000) for number in range(shards)]

    assert len(loop_items(pool(MAX_SHARDS))) == MAX_SHARDS
    with pytest.raises(InvalidInput, match=r"1,000,000 captions are 1,000 shards.*size 10000 or"):
        loop_items(pool(1000))


def test_the_results_of_most_shards_fit_an_argument():
    digest = f"sha256:{'0' * 64}"
    shard = {"digest": digest, "path": f"captions/{'0' * 32}", "records": "100000"}
    dropped = [{"rule": f"{'r' * 26}_{number}", "records": "10000"} for number in range(6)]
    curated = {"caption_set": shard, "kept": "100000", "read": "100000", "dropped": dropped}
    made = {"image_set": shard, "generated": "500000", "reused": "500000"}
    results = [[json.dumps(one)] * MAX_SHARDS for one in (curated, made, made)]
    assert len(json.dumps(results)) < 128 * 1024 - 10_000  # for the request, and names


def test_more_shards_than_a_server_takes_are_refused_before_anything_is_made() -> None:
    pool = [ShardRef(path="x", records=10)] * 3
    assert len(loop_items(pool, most=3)) == 3
    with pytest.raises(InvalidInput, match="30 captions are 3 shards, and this run may have 2: "):
        loop_items(pool, most=2)
