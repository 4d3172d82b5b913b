"""Builds the alignment service from its settings."""

from synthvlm.alignment.config import AlignmentSettings
from synthvlm.alignment.engine import Engine
from synthvlm.alignment.requests import MAX_REQUEST_BYTES
from synthvlm.alignment.scorer import Scorer
from synthvlm.alignment.servicer import AlignmentServicer
from synthvlm.alignment.ssim import KERNEL, Similarity
from synthvlm.alignment.v1 import alignment_pb2, alignment_pb2_grpc
from synthvlm.alignment.warm_up import warm_up
from synthvlm.model_folders import resolve_model
from synthvlm.profiles import load_profile
from synthvlm.reuse.index import ScoreIndex, open_index
from synthvlm.serving import Service


def load_engine(settings: AlignmentSettings) -> Engine:
    """The engine named in the settings; its library is imported here.

    Raises:
        NotFound: The model's folder does not exist.
        PreconditionFailed: The model cannot be loaded.
    """
    from synthvlm.alignment.engines import open_clip

    return open_clip.load(
        resolve_model(settings.model),
        device=settings.device,
        threads=settings.threads,
        batch_multiple=settings.batch_multiple,
    )


def similarity_for(settings: AlignmentSettings) -> Similarity:
    """What computes SSIM: the compiled kernel, or PyTorch on the GPU that the model runs on."""
    if settings.device == "cpu":
        return KERNEL
    from synthvlm.alignment.ssim_torch import similarity_on

    return similarity_on(settings.device)


def build(settings: AlignmentSettings) -> AlignmentServicer:
    """Loads the model, warms it up and returns a servicer for it."""
    profile = load_profile(settings.profile).name
    engine = load_engine(settings)
    similarity = similarity_for(settings)
    warm_up(engine, settings.batch_size, similarity)
    scorer = Scorer(engine, settings.batch_size, settings.threads, similarity)
    return AlignmentServicer(settings, profile, scorer, open_index(ScoreIndex, settings.reuse))


def close(servicer: AlignmentServicer) -> None:
    """Stops the scorer's threads, and closes the index."""
    servicer.scorer.close()
    servicer.index.close()


SERVICE = Service(
    word="alignment",
    settings=AlignmentSettings,
    descriptor=alignment_pb2.DESCRIPTOR.services_by_name["AlignmentService"],
    register=alignment_pb2_grpc.add_AlignmentServiceServicer_to_server,
    uses=frozenset({"ScorePairs", "GetModel"}),
    build=build,
    max_request_bytes=MAX_REQUEST_BYTES,
    close=close,
)
