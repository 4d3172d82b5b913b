"""The Triton pipelines and a real Triton server with the bundled pipelines."""

import asyncio
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import replace

import grpc
import numpy as np
import pytest
import tritonclient.grpc
from google.rpc import error_details_pb2, status_pb2

from synthvlm.errors import InvalidInput, OperationCancelled, PreconditionFailed, QueueFull
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.encoding import ImageFormat
from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.generation.engines.diffusers import DiffusersEngine
from synthvlm.generation.engines.triton import TritonEngine
from synthvlm.generation.identity import wanted_identity
from synthvlm.generation.image_set import ImageSetMaker, ImageSetRequest
from synthvlm.generation.service import SERVICE
from synthvlm.generation.triton.server import SHARED_MEMORY
from synthvlm.generation.triton.tensors import INPUTS, MODEL, OUTPUTS, read_sample, write_request
from synthvlm.generation.v1 import generation_pb2 as pb
from synthvlm.generation.v1 import generation_pb2_grpc
from synthvlm.progress import SILENT
from synthvlm.serving.testing import running
from synthvlm.storage import file_location, open_store
from tests.triton_server import triton_server

BATCH = 4
QUEUE = 12
SAMPLING = Sampling(4, 3.0, 0.5, 32, 32)
LONG = replace(SAMPLING, steps=500)
SETTINGS = {
    "pipeline": {"refiner": "bundled:mini-sdxl-refiner"},
    "batch_size": BATCH,
    "triton": {"handover": 2 * BATCH, "queue": QUEUE},
    "max_pixels": 64 * 64,
    **SAMPLING.to_json(),
}
WANTED = wanted_identity(GenerationSettings(**SETTINGS))


def requests(count, sampling=SAMPLING, first=0):
    return [
        ImageRequest(f"a red circle, number {i}", 70 + i, sampling)
        for i in range(first, first + count)
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with triton_server(tmp_path_factory.mktemp("triton"), SETTINGS) as started:
        yield started


@contextmanager
def connected(*servers, wanted=WANTED, patience=400.0, shared_bytes=0):
    addresses = [server.address for server in servers]
    with closing(TritonEngine(addresses, wanted, BATCH, patience, shared_bytes)) as engine:
        yield engine


@pytest.fixture
def remote(server):
    with connected(server) as engine:
        yield engine


@pytest.fixture
def raw(server):
    """A client of Triton's own, as any other program would use it."""
    with tritonclient.grpc.InferenceServerClient(server.address) as client:
        yield client


def inputs(request, **changes):
    arrays = {**write_request(request), **changes}
    made = []
    for tensor in INPUTS:
        array = arrays[tensor.name]
        one = tritonclient.grpc.InferInput(tensor.name, list(array.shape), tensor.datatype)
        one.set_data_from_numpy(array)
        made.append(one)
    return made


def same(samples, others):
    return all(
        np.array_equal(one.pixels, other.pixels)
        and (one.defect, one.truncated) == (other.defect, other.truncated)
        for one, other in zip(samples, others, strict=True)
    )


def alone(pipelines, batch):
    """Each image by itself, by the pipelines in this process."""
    return [pipelines.generate([request], SILENT)[0] for request in batch]


def local(pipelines, batch):
    """The images of requests with equal parameters, by the pipelines in this process."""
    made = []
    for first in range(0, len(batch), BATCH):
        made += pipelines.generate(batch[first : first + BATCH], SILENT)
    return made


def batches(server):
    """Executions so far, by the number of requests that Triton handed over."""
    statistics = server.statistics().get("batch_stats", [])
    return {int(one["batch_size"]): int(one["compute_infer"].get("count", 0)) for one in statistics}


def test_the_bytes_are_those_of_the_engine_in_process(remote, pipelines):
    assert (remote.model_digest, remote.numerics) == (pipelines.model_digest, pipelines.numerics)
    batch = [
        *requests(5),
        ImageRequest("ein Kreis, größer als 🙂", 2**63 - 1, SAMPLING),
        ImageRequest("word " * 100, 0, SAMPLING),
    ]
    expected = alone(pipelines, batch)
    assert [sample.truncated for sample in expected] == [False] * 6 + [True]
    assert same(remote.batch(batch, SILENT), expected)
    assert same(remote.batch(batch[5:6], SILENT), expected[5:6])


def test_pixels_may_come_in_shared_memory(server, pipelines):
    def regions():
        return {path.name for path in SHARED_MEMORY.glob("synthvlm_pixels_*")}

    before = regions()
    with connected(server, shared_bytes=3 * 64 * 64) as remote:
        batch = [*requests(6), *requests(1, replace(SAMPLING, width=64, height=8))]
        expected = alone(pipelines, batch)
        assert same(remote.batch(batch, SILENT), expected)
        assert regions() > before
        with running_long(remote):  # its memory is not used again while the server may write to it
            pass
        assert same(remote.batch(batch, SILENT), expected)
    assert regions() == before


def test_requests_that_differ_in_their_parameters_are_split(remote, pipelines):
    samplings = [
        SAMPLING,
        replace(SAMPLING, negative_prompt="blue", guidance_scale=7.5),
        replace(SAMPLING, width=48, steps=3, high_noise_fraction=1.0),
    ]
    batch = [
        ImageRequest(f"a green square, number {i}", i, samplings[i % 3]) for i in range(2 * BATCH)
    ]
    assert same(remote.batch(batch, SILENT), alone(pipelines, batch))


class Gone:
    """The caller of an image who goes away when told to."""

    def __init__(self):
        self.leave = threading.Event()

    def report(self, done, total, resumed=0, reused=0):
        self.check()

    def check(self):
        if self.leave.is_set():
            raise OperationCancelled("gone")


def wait_until(condition):
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def running_long(remote):
    """An image of 500 steps is being made while the block runs; then its caller goes away."""
    caller = Gone()
    raised = []

    def make():
        try:
            remote.batch(requests(1, LONG, first=900), caller)
        except OperationCancelled as error:
            raised.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    wait_until(lambda: remote.endpoints.calls == 1)
    time.sleep(0.5)  # more than Triton waits for others to share its batch
    try:
        yield
    finally:
        caller.leave.set()
        thread.join()
    assert len(raised) == 1


def test_more_than_the_engines_largest_batch_is_split(server, remote, pipelines):
    batch = requests(2 * BATCH + 1)
    answered = []
    waiting = threading.Thread(target=lambda: answered.extend(remote.batch(batch, SILENT)))
    before = batches(server)
    with running_long(remote):  # meanwhile, the others queue up
        waiting.start()
        wait_until(lambda: remote.endpoints.calls == 1 + len(batch))
        time.sleep(0.5)  # until the last one is in the queue
    waiting.join()
    assert same(answered, local(pipelines, batch))
    grown = {size for size, count in batches(server).items() if count > before.get(size, 0)}
    assert max(grown) > BATCH


def test_a_wrong_request_is_refused_and_names_its_fields(raw, pipelines):
    wrong = ImageRequest("a red circle", 1, replace(SAMPLING, steps=501, width=7))
    right = requests(1)[0]
    answers = {}
    done = threading.Semaphore(0)

    def keep(name):
        def callback(result, error):
            answers[name] = error or result
            done.release()

        return callback

    raw.async_infer(MODEL, inputs(wrong), keep("wrong"))
    raw.async_infer(MODEL, inputs(right), keep("right"))
    raw.async_infer(MODEL, inputs(right, prompt=np.array([[255]], np.uint8)), keep("bytes"))
    raw.async_infer(MODEL, inputs(replace(right, prompt="")), keep("empty"))
    big = ImageRequest("x", 1, replace(SAMPLING, width=72, height=64))
    raw.async_infer(MODEL, inputs(big), keep("big"))
    for _ in range(5):
        assert done.acquire(timeout=300)
    for name, words in {
        "wrong": ("steps: ", "width: "),
        "bytes": ("prompt: is not UTF-8",),
        "empty": ("prompt: must not be empty",),
        "big": ("width: 72 x 64 pixels", "height: 72 x 64 pixels"),
    }.items():
        assert answers[name].status() == "StatusCode.INVALID_ARGUMENT"
        assert all(word in answers[name].message() for word in words), answers[name].message()
    outputs = {one.name: answers["right"].as_numpy(one.name) for one in OUTPUTS}
    assert same([read_sample(outputs)], pipelines.generate([right], SILENT))


def test_zero_and_empty_stand_for_the_profile(raw, pipelines):
    request = requests(1)[0]
    zeros = {one.name: np.zeros((1, 1), one.dtype) for one in INPUTS if one.dims == (1,)}
    answer = raw.infer(MODEL, inputs(request, **{**zeros, "seed": np.array([[request.seed]])}))
    outputs = {one.name: answer.as_numpy(one.name) for one in OUTPUTS}
    assert same([read_sample(outputs)], pipelines.generate([request], SILENT))


def test_a_request_is_one_image(raw):
    two = {name: np.repeat(array, 2, 0) for name, array in write_request(requests(1)[0]).items()}
    with pytest.raises(tritonclient.grpc.InferenceServerException, match="batch: a request must"):
        raw.infer(MODEL, inputs(requests(1)[0], **two))


def test_a_wrong_request_is_the_callers_fault(remote):
    with pytest.raises(InvalidInput, match="steps: "):
        remote.batch(requests(1, replace(SAMPLING, steps=501)), SILENT)


def test_a_caller_who_goes_away_stops_the_loop_within_a_step(server, remote, pipelines):
    with running_long(remote):
        pass
    assert same(remote.batch(requests(1), SILENT), pipelines.generate(requests(1), SILENT))
    stopped = [line for line in server.log.splitlines() if "the batch was cancelled" in line]
    steps = [int(line.rpartition("step ")[2].strip('"')) for line in stopped]
    assert steps
    assert max(steps) < LONG.steps


def test_a_full_queue_turns_single_images_away_and_lets_shards_wait(remote, pipelines):
    batch = requests(QUEUE + 3 * BATCH)
    answers, rejections = [], []

    def one(request):
        try:
            answers.append((request, remote.image(request, SILENT)))
        except QueueFull as error:
            rejections.append(error)

    with running_long(remote):
        threads = [threading.Thread(target=one, args=(request,)) for request in batch]
        for thread in threads:
            thread.start()
        wait_until(lambda: rejections)
        # A shard's batch waits for its turn, however many there are.
        shard = requests(2 * BATCH, first=100)
        made = []
        patient = threading.Thread(target=lambda: made.extend(remote.batch(shard, SILENT)))
        patient.start()
    for thread in (*threads, patient):
        thread.join()
    assert len(answers) + len(rejections) == len(batch)
    assert len(answers) >= QUEUE
    assert all(error.retry_after_seconds > 0 for error in rejections)
    assert same([sample for _, sample in answers], local(pipelines, [one for one, _ in answers]))
    assert same(made, local(pipelines, shard))


async def test_the_service_rejects_overload_with_advice(server, pipelines, tmp_path):
    settings = GenerationSettings(
        **{**SETTINGS, "triton": {"endpoints": [server.address]}},
        engine="triton",
        max_item_calls=64,
        listen=f"unix:{tmp_path}/generation.sock",
    )
    async with running(SERVICE, settings) as channel:
        stub = generation_pb2_grpc.GenerationServiceStub(channel)
        model = await stub.GetModel(pb.GetModelRequest())
        assert (model.engine, model.model_digest) == ("triton", pipelines.model_digest)
        assert model.numerics == {name: str(value) for name, value in pipelines.numerics.items()}
        calls = [
            stub.GenerateImage(
                pb.GenerateImageRequest(
                    prompt=one.prompt, seed=one.seed, format=pb.IMAGE_FORMAT_PNG
                )
            )
            for one in requests(QUEUE + 5 * BATCH)
        ]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        errors = [one for one in answers if isinstance(one, grpc.aio.AioRpcError)]
        assert len(errors) < len(answers)
        assert {error.code() for error in errors} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert all(retry_seconds(error) > 0 for error in errors)
        # Healthy after, and wrong fields are named as ever.
        again = await stub.GenerateImage(pb.GenerateImageRequest(prompt="a red circle", seed=3))
        assert again.model_digest == pipelines.model_digest
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.GenerateImage(
                pb.GenerateImageRequest(prompt="x", parameters=pb.SamplingParameters(width=7))
            )
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def retry_seconds(error):
    status = status_pb2.Status.FromString(
        dict(error.trailing_metadata())["grpc-status-details-bin"]
    )
    for detail in status.details:
        if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            info = error_details_pb2.RetryInfo()
            detail.Unpack(info)
            return info.retry_delay.ToNanoseconds() / 1e9
    return 0.0


def test_a_server_with_another_model_is_refused(server):
    for wanted, words in (
        (replace(WANTED, model_digest=f"sha256:{'9' * 64}"), "model is sha256:"),
        (replace(WANTED, numerics={**WANTED.numerics, "threads": 3}), "threads is 2, not 3"),
    ):
        with (
            pytest.raises(PreconditionFailed, match=f"does not match this service: .*{words}"),
            connected(server, wanted=wanted),
        ):
            pass


def test_a_kill_in_the_middle_of_a_shard_changes_nothing(
    tmp_path, pipelines, server, store, caption_set
):
    texts = [f"a scene with {n} circles" for n in range(4 * BATCH + 1)]
    sampling = replace(SAMPLING, steps=6)

    def shard_of(place, engine):
        wanted = ImageSetRequest(
            caption_set(place, texts), 1, 9, sampling, ImageFormat.JPEG, pipelines.model_digest
        )
        return ImageSetMaker(engine).make(place, wanted, reporter).ref

    class Progress:
        """Kills the second server once a batch is done, and starts it again."""

        seen = 0
        restarted = False

        def report(self, done, total, resumed=0, reused=0):
            self.seen = done

        def check(self):
            if self.seen >= BATCH and not self.restarted:
                self.restarted = True
                victim.kill()
                victim.start()

    with triton_server(tmp_path, {**SETTINGS, **sampling.to_json()}) as victim:
        reporter = Progress()
        with connected(victim) as remote:
            made = shard_of(store, remote)
        assert reporter.restarted

        # Two replicas share the work; one of them lost is no more than that.
        before = int(server.statistics()["inference_count"])
        victim.wait()
        theirs = int(victim.statistics()["inference_count"])
        with connected(server, victim) as both:
            wait_until(lambda: both.endpoints.ready == 2)
            batch = requests(4 * BATCH, first=200)
            expected = local(pipelines, batch)
            assert same(both.batch(batch, SILENT), expected)

            def shares():
                counts = [int(each.statistics()["inference_count"]) for each in (server, victim)]
                return counts[0] - before, counts[1] - theirs

            wait_until(lambda: sum(shares()) >= len(batch))  # counted after a batch is answered
            assert sum(shares()) == len(batch)
            assert min(shares()) >= len(batch) / 3
            victim.kill()
            assert same(both.batch(batch, SILENT), expected)

    # What the engine in process makes of the same captions.
    elsewhere = open_store(file_location(tmp_path / "elsewhere"))
    reporter = SILENT
    with closing(DiffusersEngine(pipelines, BATCH, 0.0)) as engine:
        assert shard_of(elsewhere, engine) == made
    for name in ("images.tar", "images.parquet", "failed.parquet", "manifest.json"):
        path = f"{made.path}/{name}"
        assert store.read(path) == elsewhere.read(path)


def test_onnxruntime_computes_the_same_images_within_a_rounding(tmp_path, pipelines):
    settings = {**SETTINGS, "pipeline": {**SETTINGS["pipeline"], "executor": "onnxruntime"}}
    wanted = wanted_identity(GenerationSettings(**settings))
    with triton_server(tmp_path, settings) as server, connected(server, wanted=wanted) as remote:
        assert remote.numerics != pipelines.numerics
        assert "onnxruntime" in remote.numerics
        ours = remote.batch(requests(BATCH), SILENT)
        theirs = pipelines.generate(requests(BATCH), SILENT)
    for one, other in zip(ours, theirs, strict=True):
        difference = np.abs(one.pixels.astype(int) - other.pixels)
        assert difference.mean() <= 1
