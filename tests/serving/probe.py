"""A small service behind the real server: the prompt says what its work does.

``hold:PATH`` marks ``PATH.started`` and works until ``PATH.release`` exists, polling its caller;
told to stop, it marks ``PATH.cancelled``. ``stuck:PATH`` marks the start and hears nothing.
``flood`` answers with a gigabyte in a thousand messages.
``raise:NAME`` raises an error of ``synthvlm.errors``, ``errno:NUMBER`` one of the system, ``bug``
one that nobody expects, and ``log`` logs; ``collector`` logs what the garbage collector is told.
Anything else is answered at once.
"""

import gc
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import structlog
from pydantic import Field

from synthvlm import errors
from synthvlm.atomic_files import write_atomically
from synthvlm.generation.v1 import generation_pb2 as pb
from synthvlm.generation.v1 import generation_pb2_grpc as pb_grpc
from synthvlm.heap import put_off_full_collections
from synthvlm.progress import Reporter
from synthvlm.serving import (
    AnswerCache,
    Context,
    RequestModel,
    Service,
    ServiceSettings,
    iterate,
    main,
    offload,
    stream,
    validated,
)
from synthvlm.serving.fields import (
    OptionalDigest,
    RequestId,
    Seed,
    ShardRefField,
    ShardStoreField,
    Utf8,
)
from synthvlm.serving.section import SettingsSection

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["GenerationService"]


class DepthSettings(SettingsSection):
    level: int = 1
    """A number."""
    names: list[str] = Field(default_factory=list)
    """A list in a section."""
    options: dict[str, Any] = Field(default_factory=dict)
    """A mapping in a section."""


class ProbeSettings(ServiceSettings):
    renamed = {"labels": "tags", "depth_level": "depth.level", "depth": "depth.level"}  # noqa: RUF012

    build_hold: Path | None = None
    """Where the build waits for PATH.release; none: it does not."""
    build_error: str = ""
    """What the build raises."""
    tags: list[str] = Field(default_factory=list)
    """A list."""
    limits: dict[str, int] = Field(default_factory=dict)
    """A mapping."""
    depth: DepthSettings = DepthSettings()
    """A section."""


class Parameters(RequestModel):
    steps: Annotated[int, Field(ge=0, le=500)]
    guidance_scale: Annotated[float, Field(ge=0, le=50)]
    high_noise_fraction: Annotated[float, Field(ge=0, le=1)]
    width: int
    height: int
    negative_prompt: Annotated[str, Utf8(2048)]


class GenerateImage(RequestModel):
    prompt: Annotated[str, Utf8(4096, min_bytes=1)]
    seed: Seed
    parameters: Parameters | None
    format: str
    request_id: RequestId


class GenerateShard(RequestModel):
    store: ShardStoreField
    caption_set: ShardRefField
    repeats: Annotated[int, Field(ge=0, le=100)]
    run_seed: Seed
    parameters: Parameters | None
    format: str
    model_digest: OptionalDigest


def work(prompt: str, reporter: Reporter) -> None:
    command, _, argument = prompt.partition(":")
    if command == "hold":
        hold(Path(argument), reporter)
    elif command == "stuck":
        Path(argument).with_suffix(".started").touch()
        time.sleep(600)
    elif command == "raise":
        raise ERRORS[argument]
    elif command == "errno":
        raise OSError(int(argument), "what the system says")
    elif command == "bug":
        raise ZeroDivisionError("a secret of the service")
    elif command == "log":
        structlog.get_logger("probe").info("from a thread")
    elif command == "collector":
        told = {"kept": gc.get_freeze_count(), "threshold": gc.get_threshold()}
        structlog.get_logger("probe").info("collector", **told)


def hold(path: Path, reporter: Reporter) -> None:
    path.with_suffix(".started").touch()
    try:
        while not path.with_suffix(".release").exists():
            reporter.check()
            time.sleep(0.01)
    except errors.OperationCancelled as error:
        # Whole at once: the test reads it as soon as it is there.
        write_atomically(path.with_suffix(".cancelled"), error.metadata["cause"])
        raise


ERRORS: dict[str, errors.DomainError] = {
    "InvalidInput": errors.InvalidInput(
        "no", [errors.FieldViolation("parameters.steps", "too many")]
    ),
    "NotFound": errors.NotFound("no such model", {"model": "x"}),
    "AlreadyExists": errors.AlreadyExists("is there"),
    "PreconditionFailed": errors.PreconditionFailed("another model"),
    "DataCorrupt": errors.DataCorrupt("digest differs"),
    "Unauthenticated": errors.Unauthenticated("who are you"),
    "QueueFull": errors.QueueFull("full", 1.25, {"kind": "item"}),
    "OutOfSpace": errors.OutOfSpace("no room"),
    "Unavailable": errors.Unavailable("gone", 0.5),
    "OperationCancelled": errors.OperationCancelled("stopped"),
}


class Probe(pb_grpc.GenerationServiceServicer):
    def __init__(self) -> None:
        self.answers = AnswerCache()
        self.made = 0

    async def GenerateImage(
        self, request: pb.GenerateImageRequest, context: Context
    ) -> pb.GenerateImageResponse:
        parsed = await validated(context, GenerateImage, request)

        async def make() -> pb.GenerateImageResponse:
            self.made += 1
            await offload(context, lambda reporter: work(parsed.prompt, reporter))
            return pb.GenerateImageResponse(media_type=parsed.prompt, width=self.made)

        return await self.answers.once(parsed.request_id, request, make)

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        return pb.GetModelResponse(engine="probe")

    async def GenerateShard(
        self, request: pb.GenerateShardRequest, context: Context
    ) -> AsyncIterator[pb.GenerateShardResponse]:
        parsed = await validated(context, GenerateShard, request)

        if request.parameters.negative_prompt == "flood":
            answer = pb.GenerateShardResponse(result={"failed": [{"rule": "x" * 2**20}]})
            async for _ in iterate(context, lambda _: iter(range(1000))):
                yield answer
            return

        def make(reporter: Reporter) -> pb.GenerateShardResponse:
            for done in range(parsed.repeats):
                reporter.report(done, parsed.repeats, 1)
            work(request.parameters.negative_prompt, reporter)
            reporter.report(parsed.repeats, parsed.repeats, 1)
            return pb.GenerateShardResponse(result={"generated": parsed.repeats})

        async for response in stream(context, pb.GenerateShardResponse, make):
            yield response


class _Waiting:
    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None: ...

    def check(self) -> None: ...


def build(settings: ProbeSettings) -> Probe:
    if settings.build_hold is not None:
        hold(settings.build_hold, _Waiting())
    if settings.build_error:
        raise errors.NotFound(settings.build_error)
    return Probe()


SERVICE = Service(
    word="probe",
    settings=ProbeSettings,
    descriptor=DESCRIPTOR,
    register=pb_grpc.add_GenerationServiceServicer_to_server,
    build=build,
    max_request_bytes=48 * 2**20,
)

STORE = {"uri": "memory://probe"}
SHARD = {"path": "captions/0", "digest": "sha256:" + "0" * 64, "records": 1}


def shard_request(prompt: str = "", repeats: int = 3) -> pb.GenerateShardRequest:
    return pb.GenerateShardRequest(
        store=STORE, caption_set=SHARD, repeats=repeats, parameters={"negative_prompt": prompt}
    )


def image_request(prompt: str, request_id: str = "") -> pb.GenerateImageRequest:
    return pb.GenerateImageRequest(prompt=prompt, request_id=request_id)


if __name__ == "__main__":
    put_off_full_collections()
    main(SERVICE)
