"""Every limit of the proto, under the proto's field paths."""

import pytest

from synthvlm.alignment.config import AlignmentSettings
from synthvlm.alignment.requests import ScorePairs, ScoreShard, complete
from synthvlm.alignment.v1 import alignment_pb2 as pb
from synthvlm.errors import InvalidInput
from synthvlm.profiles import load_profile, profile_names
from synthvlm.serving import parse
from synthvlm.storage.v1 import shard_pb2

DIGEST = f"sha256:{'a' * 64}"
REF = shard_pb2.ShardRef(path="captions/1", digest=DIGEST, records=1)
STORE = shard_pb2.ShardStore(uri="memory://x")
PAIR = pb.Pair(image=b"1", caption="a cat")
MIB = 2**20


def violations(model, request):
    with pytest.raises(InvalidInput) as raised:
        parse(model, request)
    return {violation.field for violation in raised.value.violations}


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.ScorePairsRequest(), {"pairs"}),
        (pb.ScorePairsRequest(pairs=[PAIR] * 65), {"pairs"}),
        (pb.ScorePairsRequest(pairs=[PAIR, pb.Pair(caption="x")]), {"pairs[1].image"}),
        (pb.ScorePairsRequest(pairs=[pb.Pair(image=b"1")]), {"pairs[0].caption"}),
        (
            pb.ScorePairsRequest(pairs=[pb.Pair(image=b"1", caption="é" * 8193)]),
            {"pairs[0].caption"},
        ),
        (
            pb.ScorePairsRequest(pairs=[pb.Pair(image=bytes(8 * MIB + 1), caption="x")]),
            {"pairs[0].image"},
        ),
        (
            pb.ScorePairsRequest(pairs=[pb.Pair(image=bytes(7 * MIB), caption="x")] * 5),
            {"pairs"},
        ),
        (
            pb.ScorePairsRequest(
                pairs=[PAIR], parameters=pb.ScoreParameters(clip_weight=1.5, vlm_size=7)
            ),
            {"parameters.clip_weight", "parameters.vlm_size"},
        ),
        (
            pb.ScorePairsRequest(
                pairs=[PAIR],
                parameters=pb.ScoreParameters(clip_weight=float("nan"), vlm_size=1025),
            ),
            {"parameters.clip_weight", "parameters.vlm_size"},
        ),
    ],
)
def test_limits_of_score_pairs(request_, fields):
    assert violations(ScorePairs, request_) == fields


def test_limits_of_score_shard():
    assert violations(ScoreShard, pb.ScoreShardRequest()) == {"store", "caption_set", "image_set"}
    request = pb.ScoreShardRequest(
        store=shard_pb2.ShardStore(uri="/tmp/x"),
        caption_set=shard_pb2.ShardRef(path="../up", digest=DIGEST),
        image_set=shard_pb2.ShardRef(path="images/1", digest="sha256:x"),
        parameters=pb.ScoreParameters(vlm_size=-1),
        model_digest="x",
    )
    assert violations(ScoreShard, request) == {
        "store.uri",
        "caption_set.path",
        "image_set.digest",
        "parameters.vlm_size",
        "model_digest",
    }


@pytest.mark.parametrize(
    "request_",
    [
        pb.ScorePairsRequest(pairs=[PAIR] * 64),
        pb.ScorePairsRequest(pairs=[pb.Pair(image=bytes(8 * MIB), caption="é" * 2048)]),
        pb.ScorePairsRequest(
            pairs=[PAIR], parameters=pb.ScoreParameters(clip_weight=0.0, vlm_size=8)
        ),
        pb.ScorePairsRequest(
            pairs=[PAIR], parameters=pb.ScoreParameters(clip_weight=1.0, vlm_size=1024)
        ),
    ],
)
def test_what_is_within_the_limits_passes(request_):
    parse(ScorePairs, request_)


def test_a_whole_shard_request_passes():
    parse(
        ScoreShard,
        pb.ScoreShardRequest(store=STORE, caption_set=REF, image_set=REF, model_digest=DIGEST),
    )


def test_unset_parameters_are_the_settings():
    settings = AlignmentSettings(clip_weight=0.3, vlm_size=32, prompt_prefix="see ")
    made = complete(None, settings)
    assert (made.prompt_prefix, made.vlm_size, made.weighting.clip_weight) == ("see ", 32, 0.3)
    request = pb.ScorePairsRequest(pairs=[PAIR], parameters=pb.ScoreParameters(vlm_size=64))
    made = complete(parse(ScorePairs, request).parameters, settings)
    assert (made.vlm_size, made.weighting.clip_weight) == (64, 0.3)
    request = pb.ScorePairsRequest(pairs=[PAIR], parameters=pb.ScoreParameters(clip_weight=0))
    assert complete(parse(ScorePairs, request).parameters, settings).weighting.clip_weight == 0


def test_a_weight_means_the_same_from_a_proto_and_from_a_profile():
    request = pb.ScorePairsRequest(pairs=[PAIR], parameters=pb.ScoreParameters(clip_weight=0.7))
    settings = AlignmentSettings(clip_weight=0.7)
    assert complete(parse(ScorePairs, request).parameters, settings) == complete(None, settings)


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_is_complete_and_valid(name):
    AlignmentSettings(**load_profile(name).section("alignment"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 6},
        {"clip_range": [0.5, 0.5]},
        {"ssim_range": [0.0, float("inf")]},
        {"clip_weight": 1.1},
        {"vlm_size": 4},
        {"device": "tpu"},
        {"unknown": 1},
    ],
)
def test_settings_that_are_wrong_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AlignmentSettings(**wrong)
