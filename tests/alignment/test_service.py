"""The whole service through gRPC, with the bundled model."""

import contextlib
import threading

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2

from synthvlm.alignment import service as service_module
from synthvlm.alignment.config import AlignmentSettings
from synthvlm.alignment.requests import complete
from synthvlm.alignment.scorer import Pair
from synthvlm.alignment.service import SERVICE, load_engine
from synthvlm.alignment.v1 import alignment_pb2 as pb
from synthvlm.alignment.v1 import alignment_pb2_grpc
from synthvlm.errors import NotFound
from synthvlm.progress import SILENT
from synthvlm.serving.testing import running
from synthvlm.storage import open_shard
from synthvlm.storage.protos import ref_from_proto, ref_to_proto
from synthvlm.storage.schemas import SCORES
from synthvlm.storage.v1 import shard_pb2

TEXTS = ["a red circle", "two blue squares", "a green star on a white page"]


@pytest.fixture
def settings_for(tmp_path):
    def make(**changes):
        values = {
            "vlm_size": 16,
            "batch_size": 4,
            "store_roots": [f"file://{tmp_path}"],
            "listen": f"unix:{tmp_path}/alignment.sock",
        }
        return AlignmentSettings(**{**values, **changes})

    return make


@pytest.fixture
def serve(engine, monkeypatch, settings_for):
    """Serves a given engine, by default the bundled model, loaded once for all tests."""

    @contextlib.asynccontextmanager
    async def start(served=engine, **changes):
        monkeypatch.setattr(service_module, "load_engine", lambda settings: served)
        async with running(SERVICE, settings_for(**changes)) as channel:
            yield alignment_pb2_grpc.AlignmentServiceStub(channel)

    return start


def violations_of(error):
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    found = error_details_pb2.BadRequest()
    for detail in status.details:
        if detail.Unpack(found):
            return {v.field: v.description for v in found.field_violations}
    return {}


async def test_pairs_are_scored_in_their_order(serve, engine, picture, scorer_of, settings_for):
    pairs = [pb.Pair(image=picture(n, side=64), caption=text) for n, text in enumerate(TEXTS)]
    async with serve() as stub:
        answer = await stub.ScorePairs(pb.ScorePairsRequest(pairs=pairs))
        single = await stub.ScorePairs(pb.ScorePairsRequest(pairs=pairs[2:]))
        weighted = await stub.ScorePairs(
            pb.ScorePairsRequest(
                pairs=pairs, parameters=pb.ScoreParameters(clip_weight=0.0, vlm_size=64)
            )
        )
    scorer = scorer_of(engine)
    expected = scorer.score(
        [Pair(pair.image, pair.caption) for pair in pairs], complete(None, settings_for()), SILENT
    )
    for made, wanted in zip(answer.scores, expected, strict=True):
        assert made.clip_score == pytest.approx(wanted.clip_score, abs=1e-6)
        assert made.ssim_score == wanted.ssim_score
        assert made.weighted_score == pytest.approx(wanted.weighted_score, abs=1e-6)
    assert answer.model_digest == engine.model_digest
    assert single.scores[0].clip_score == pytest.approx(answer.scores[2].clip_score, abs=1e-6)
    assert [score.weighted_score for score in weighted.scores] == [1.0] * 3


async def test_what_is_wrong_with_which_image(serve, hasher, picture):
    images = [picture(0), b"junk", picture(2, side=4), picture(3)[:-30]]
    async with serve(hasher()) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.ScorePairs(
                pb.ScorePairsRequest(pairs=[pb.Pair(image=i, caption="x") for i in images])
            )
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    found = violations_of(raised.value)
    assert list(found) == ["pairs[1].image", "pairs[2].image", "pairs[3].image"]
    assert "JPEG, PNG or WebP" in found["pairs[1].image"]
    assert "at least 8" in found["pairs[2].image"]
    assert "damaged" in found["pairs[3].image"]


async def test_the_loaded_model(serve, engine):
    async with serve(vlm_size=32, clip_weight=0.25) as stub:
        answer = await stub.GetModel(pb.GetModelRequest())
    assert answer.profile == "mini"
    assert answer.model_digest == engine.model_digest
    assert (answer.parameters.clip_weight, answer.parameters.vlm_size) == (0.25, 32)


async def test_a_shard_with_progress_and_result(
    serve, hasher, store, picture, caption_set, image_set
):
    captions = caption_set(store, TEXTS)
    images = image_set(store, captions, [*[picture(n) for n in range(8)], b"junk"])
    request = pb.ScoreShardRequest(
        store=shard_pb2.ShardStore(uri=store.uri),
        caption_set=ref_to_proto(captions),
        image_set=ref_to_proto(images),
    )
    async with serve(hasher()) as stub:
        messages = [message async for message in stub.ScoreShard(request)]
        again = [message async for message in stub.ScoreShard(request)]
    result = messages[-1].result
    assert (messages[-1].progress.done, messages[-1].progress.total) == (9, 9)
    assert not any(message.HasField("result") for message in messages[:-1])
    assert result.scored == 8
    assert [(count.rule, count.records) for count in result.failed] == [("unsupported_format", 1)]
    scores = open_shard(store, ref_from_proto(result.score_set)).table("scores.parquet", SCORES)
    assert scores.num_rows == 8
    assert again[-1].result == result
    assert again[-1].progress.resumed == 9


async def test_stores_and_models_that_are_not_the_services(
    serve, hasher, store, picture, caption_set, image_set
):
    captions = caption_set(store, TEXTS)
    images = image_set(store, captions, [picture(0)])
    request = pb.ScoreShardRequest(
        store=shard_pb2.ShardStore(uri="file:///somewhere/else"),
        caption_set=ref_to_proto(captions),
        image_set=ref_to_proto(images),
    )
    async with serve(hasher()) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await anext(aiter(stub.ScoreShard(request)))
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert list(violations_of(raised.value)) == ["store.uri"]

        request.store.uri = store.uri
        request.model_digest = f"sha256:{'2' * 64}"
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await anext(aiter(stub.ScoreShard(request)))
        assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION

        request.model_digest = ""
        request.image_set.path = "images/nowhere"
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await anext(aiter(stub.ScoreShard(request)))
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_cancelled_call_stops_and_leaves_its_batches(
    serve, hasher, store, picture, caption_set, image_set
):
    gone = threading.Event()
    batches = []

    def slowly():
        # The first two are the warm-up's, the third is the shard's first.
        batches.append(1)
        if len(batches) == 4:
            assert gone.wait(60)

    captions = caption_set(store, TEXTS)
    images = image_set(store, captions, [picture(n) for n in range(40)])
    request = pb.ScoreShardRequest(
        store=shard_pb2.ShardStore(uri=store.uri),
        caption_set=ref_to_proto(captions),
        image_set=ref_to_proto(images),
    )
    engine = hasher(slowly)
    async with serve(engine) as stub:
        call = stub.ScoreShard(request)
        async for message in call:
            if message.progress.done >= 4:
                call.cancel()
                break
        # The cancellation goes ahead of this call on the same connection.
        await stub.GetModel(pb.GetModelRequest())
        gone.set()
    # Draining waited for the thread, so what has been done by now is all that will be.
    assert len(batches) < 12
    assert not [path for path in store.list("scores") if path.endswith("manifest.json")]
    assert [path for path in store.list("scores") if "/parts/" in path]


def test_the_settings_choose_the_model(engine, settings_for):
    loaded = load_engine(settings_for())
    assert loaded.model_digest == engine.model_digest
    image = np.zeros((1, 3, 64, 64), np.float32)
    assert np.array_equal(loaded.embed_images(image), engine.embed_images(image))
    with pytest.raises(NotFound, match="mini-clip"):
        load_engine(settings_for(model="bundled:nothing"))
