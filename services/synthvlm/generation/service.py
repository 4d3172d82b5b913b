"""Builds the generation service from its settings."""

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import Engine
from synthvlm.generation.engines.diffusers import DiffusersEngine
from synthvlm.generation.identity import wanted_identity
from synthvlm.generation.loading import load_pipelines, settle_padding
from synthvlm.generation.servicer import GenerationServicer
from synthvlm.generation.v1 import generation_pb2, generation_pb2_grpc
from synthvlm.generation.warm_up import warm_up
from synthvlm.profiles import load_profile
from synthvlm.reuse.index import ImageIndex, open_index
from synthvlm.serving import Service


def open_engine(settings: GenerationSettings) -> Engine:
    """The engine named in the settings; the libraries that it needs are imported here.

    Raises:
        NotFound: A model folder does not exist, and no digest is given instead.
        PreconditionFailed: A model cannot be loaded, or a Triton server holds a different one from
            what the settings require.
        Unavailable: No Triton server answers.
    """
    if settings.engine == "triton":
        from synthvlm.generation.engines.triton import TritonEngine
        from synthvlm.generation.triton.endpoint import Tls

        triton = settings.triton
        authority, certificate = triton.tls_ca_file, triton.tls_certificate_file
        key = triton.tls_key_file
        return TritonEngine(
            triton.endpoints,
            wanted_identity(settings),
            settings.batch_size,
            triton.patience_seconds,
            shared_bytes=3 * settings.max_pixels if triton.shared_memory else 0,
            tls=None if authority is None else Tls(authority, certificate, key),
        )
    pipelines = load_pipelines(settings)
    settle_padding(pipelines, settings)
    return DiffusersEngine(pipelines, settings.batch_size, settings.batch_wait_ms / 1000)


def build(settings: GenerationSettings) -> GenerationServicer:
    """Loads the model, warms it up and returns a servicer for it."""
    profile = load_profile(settings.profile).name
    engine = open_engine(settings)
    warm_up(engine, settings.sampling)
    return GenerationServicer(settings, profile, engine, open_index(ImageIndex, settings.reuse))


def close(servicer: GenerationServicer) -> None:
    """Closes the engine and the index."""
    servicer.engine.close()
    servicer.index.close()


SERVICE = Service(
    word="generation",
    settings=GenerationSettings,
    descriptor=generation_pb2.DESCRIPTOR.services_by_name["GenerationService"],
    register=generation_pb2_grpc.add_GenerationServiceServicer_to_server,
    uses=frozenset({"GenerateImage", "GetModel"}),
    build=build,
    close=close,
)
