"""The executor of a profile that runs on TensorRT: its plans, awaited, checked and loaded."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.plans.cache import await_plans, plan_files
from synthvlm.generation.plans.ranges import latent_factor
from synthvlm.generation.plans.target import detect, plan_identity
from synthvlm.models import resolve_model
from synthvlm.storage import open_store

if TYPE_CHECKING:
    from synthvlm.generation.executors.tensorrt import TensorRtExecutor


def tensorrt_executor(settings: GenerationSettings) -> "TensorRtExecutor":
    """Waits for the plans that the settings need on this GPU, and loads them.

    Raises:
        PreconditionFailed: There is no GPU or no TensorRT, or there are no plans for this model,
            version, GPU, precision and batch; the message says what was found and expected.
        DataCorrupt: Stored plans are damaged.
    """
    from synthvlm.generation.executors.tensorrt import TensorRtExecutor

    if settings.tensorrt_store is None:
        raise PreconditionFailed("tensorrt_store does not say where the TensorRT engines are")
    target = detect(settings.device)
    wanted = plan_identity(settings, target)
    store = open_store(settings.tensorrt_store)
    plans = await_plans(store, wanted, settings.tensorrt_wait_seconds)
    with tempfile.TemporaryDirectory(prefix="synthvlm-engines-") as folder:
        return TensorRtExecutor(
            plan_files(plans, Path(folder)),
            plans.ref.digest,
            wanted.batches,
            latent_factor(resolve_model(settings.model)),
            target,
            settings.device,
        )
