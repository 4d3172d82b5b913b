"""The generation service, put together."""

from synthvlm.generation.batching import Batcher
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import Engine, SharedEngine
from synthvlm.generation.forwarding import BatchingEngine, Forwarder
from synthvlm.generation.identity import wanted_identity
from synthvlm.generation.loading import load_pipelines
from synthvlm.generation.servicer import GenerationServicer
from synthvlm.generation.v1 import generation_pb2, generation_pb2_grpc
from synthvlm.generation.warm_up import warm_up
from synthvlm.profiles import load_profile
from synthvlm.serving import Service


def load_engine(settings: GenerationSettings) -> Engine:
    """The engine in this process; its library is imported here.

    Raises:
        NotFound: A model folder does not exist.
        PreconditionFailed: A model cannot be loaded.
    """
    return load_pipelines(settings)


def connect_engine(settings: GenerationSettings) -> BatchingEngine:
    """The engine of Triton servers; its library is imported here.

    Raises:
        NotFound: A model folder does not exist, and no digest is given instead.
        PreconditionFailed: A server holds another model than the settings ask for.
        Unavailable: No server answers.
    """
    from synthvlm.generation.engines.triton import TritonEngine

    return TritonEngine(
        settings.triton_endpoints,
        wanted_identity(settings),
        settings.triton_patience_seconds,
        shared_bytes=3 * settings.max_pixels if settings.triton_shared_memory else 0,
    )


def share_engine(settings: GenerationSettings) -> SharedEngine:
    """The engine that the settings choose, for all calls to share."""
    if settings.engine == "triton":
        return Forwarder(connect_engine(settings), settings.batch_size)
    return Batcher(load_engine(settings), settings.batch_size, settings.batch_wait_ms / 1000)


def build(settings: GenerationSettings) -> GenerationServicer:
    """Loads the model, warms it up and gives it to a servicer."""
    profile = load_profile(settings.profile).name
    shared = share_engine(settings)
    warm_up(shared.engine, settings.batch_size, settings.sampling)
    return GenerationServicer(settings, profile, shared)


def close(servicer: GenerationServicer) -> None:
    """Stops what the engine runs and holds."""
    servicer.shared.close()


SERVICE = Service(
    word="generation",
    settings=GenerationSettings,
    descriptor=generation_pb2.DESCRIPTOR.services_by_name["GenerationService"],
    register=generation_pb2_grpc.add_GenerationServiceServicer_to_server,
    build=build,
    close=close,
)
