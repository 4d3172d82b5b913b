"""The generation service, put together."""

from synthvlm.generation.batching import Batcher
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import Engine
from synthvlm.generation.loading import load_pipelines
from synthvlm.generation.servicer import GenerationServicer
from synthvlm.generation.v1 import generation_pb2, generation_pb2_grpc
from synthvlm.generation.warm_up import warm_up
from synthvlm.profiles import load_profile
from synthvlm.serving import Service


def load_engine(settings: GenerationSettings) -> Engine:
    """The engine that the settings choose; its library is imported here.

    Raises:
        NotFound: A model folder does not exist.
        PreconditionFailed: A model cannot be loaded.
    """
    return load_pipelines(settings)


def build(settings: GenerationSettings) -> GenerationServicer:
    """Loads the model, warms it up and gives it to a servicer."""
    profile = load_profile(settings.profile).name
    engine = load_engine(settings)
    warm_up(engine, settings.batch_size, settings.sampling)
    batcher = Batcher(engine, settings.batch_size, settings.batch_wait_ms / 1000)
    return GenerationServicer(settings, profile, batcher)


def close(servicer: GenerationServicer) -> None:
    """Stops the engine's thread."""
    servicer.batcher.close()


SERVICE = Service(
    word="generation",
    settings=GenerationSettings,
    descriptor=generation_pb2.DESCRIPTOR.services_by_name["GenerationService"],
    register=generation_pb2_grpc.add_GenerationServiceServicer_to_server,
    build=build,
    close=close,
)
