"""The protos of the generation service, to the domain and back."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from synthvlm.errors import PreconditionFailed
from synthvlm.generation import requests
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.encoding import Mark, encode
from synthvlm.generation.engine import Engine, ImageRequest, Sampling
from synthvlm.generation.image_set import ImageSetMaker, ImageSetRequest
from synthvlm.generation.v1 import generation_pb2, generation_pb2_grpc
from synthvlm.progress import Reporter
from synthvlm.serving import AnswerCache, offload, stream, validated
from synthvlm.storage import Roots, open_store, sha256_digest
from synthvlm.storage.made import NOTHING, MadeIndex
from synthvlm.storage.protos import drop_counts, ref_to_proto
from synthvlm.usage import used_device

Context = grpc.aio.ServicerContext[Any, Any]


class GenerationServicer(generation_pb2_grpc.GenerationServiceServicer):
    """Serves one engine.

    Args:
        settings: The service's settings.
        profile: Name of the profile.
        engine: The engine, which all calls share.
        index: Where images of other shards are found.
    """

    def __init__(
        self,
        settings: GenerationSettings,
        profile: str,
        engine: Engine,
        index: MadeIndex = NOTHING,
    ) -> None:
        self.engine = engine
        self.index = index
        self._settings = settings
        self._roots = Roots(settings.store_roots)
        self._profile = profile
        self._maker = ImageSetMaker(engine, index)
        self._answers = AnswerCache()

    async def GetModel(
        self,
        request: generation_pb2.GetModelRequest,
        context: Context,
    ) -> generation_pb2.GetModelResponse:
        """What is loaded."""
        return generation_pb2.GetModelResponse(
            profile=self._profile,
            engine=self.engine.name,
            model_digest=self.engine.model_digest,
            parameters=_parameters(self._settings.sampling),
            batch_size=self._settings.batch_size,
            numerics={name: str(value) for name, value in self.engine.numerics.items()},
        )

    async def GenerateImage(
        self,
        request: generation_pb2.GenerateImageRequest,
        context: Context,
    ) -> generation_pb2.GenerateImageResponse:
        """One image; a repeat with the same request id gets the same answer."""
        parsed = await validated(context, requests.GenerateImage, request)
        wanted = ImageRequest(
            parsed.prompt, parsed.seed, requests.complete(parsed.parameters, self._settings)
        )
        return await self._answers.once(
            parsed.request_id,
            request,
            lambda: offload(context, lambda reporter: self._image(parsed, wanted, reporter)),
        )

    async def GenerateShard(
        self,
        request: generation_pb2.GenerateShardRequest,
        context: Context,
    ) -> AsyncIterator[generation_pb2.GenerateShardResponse]:
        """Images for a CaptionSet shard, with progress; the result is in the last message."""
        parsed = await validated(context, requests.GenerateShard, request)
        wanted = ImageSetRequest(
            caption_set=parsed.caption_set,
            repeats=parsed.repeats or 1,
            run_seed=parsed.run_seed,
            sampling=requests.complete(parsed.parameters, self._settings),
            image_format=requests.image_format(parsed.format),
            model_digest=parsed.model_digest,
        )

        def work(reporter: Reporter) -> generation_pb2.GenerateShardResponse:
            store = open_store(self._roots.require(parsed.store))
            made = self._maker.make(store, wanted, reporter)
            return generation_pb2.GenerateShardResponse(
                result=generation_pb2.GenerateResult(
                    image_set=ref_to_proto(made.ref),
                    generated=made.ref.records,
                    failed=drop_counts(made.failed),
                    reused=made.reused,
                )
            )

        async for response in stream(context, generation_pb2.GenerateShardResponse, work):
            yield response

    def _image(
        self, parsed: requests.GenerateImage, wanted: ImageRequest, reporter: Reporter
    ) -> generation_pb2.GenerateImageResponse:
        sample = self.engine.image(wanted, reporter)
        used_device(sample.seconds)
        if sample.defect:
            raise PreconditionFailed(
                "the model made no usable image of this prompt and seed; try another seed, or "
                "float32 where the VAE runs in half precision",
                {"defect": sample.defect},
            )
        encoding = requests.image_format(parsed.format)
        digest = self.engine.model_digest
        mark = Mark(digest, sha256_digest(wanted.prompt.encode()), wanted.seed)
        data = encode(sample.pixels, encoding, mark)
        height, width, _ = sample.pixels.shape
        return generation_pb2.GenerateImageResponse(
            image=data,
            media_type=encoding.media_type,
            width=width,
            height=height,
            digest=sha256_digest(data),
            model_digest=digest,
            parameters=_parameters(wanted.sampling),
        )


def _parameters(sampling: Sampling) -> generation_pb2.SamplingParameters:
    return generation_pb2.SamplingParameters(**sampling.to_json())
