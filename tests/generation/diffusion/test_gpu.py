"""Equal bytes on a GPU: the bundled models, and SDXL's published configuration at full size."""

from contextlib import closing

import pytest
import structlog
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
from transformers import CLIPTokenizer

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.diffusion.pipelines import Pipelines
from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.generation.engines.diffusers import DiffusersEngine
from synthvlm.generation.loading import load_pipelines
from synthvlm.generation.onnx.full_size import make_component
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.generation.warm_up import warm_up
from synthvlm.model_folders import resolve_model
from synthvlm.progress import SILENT

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU here"),
]
GIB = 2**30
MODELS_GIB, IMAGE_GIB = 8, 4
"""What the models take, and an image of 1024x1024."""


def settings_of(places, dtype):
    return PipelineSettings(
        refiner="bundled:mini-sdxl-refiner",
        device="cuda",
        dtype=dtype,
        batch_multiple=places,
        reserved_places=1,
    )


def full_size(places):
    """The base at full size with random weights; its tokenizers are the bundled ones."""
    needed = MODELS_GIB + IMAGE_GIB * places
    if torch.cuda.get_device_properties(0).total_memory < needed * GIB:
        pytest.skip(f"{places} images at full size need {needed} GiB")
    with torch.device("cuda"):
        parts = {
            name: make_component(name, torch.float16)[1]
            for name in ("text_encoder", "text_encoder_2", "unet", "vae")
        }
    bundled = resolve_model("bundled:mini-sdxl")
    tokenizers = {
        name: CLIPTokenizer.from_pretrained(bundled / name, local_files_only=True)
        for name in ("tokenizer", "tokenizer_2")
    }
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    pipeline = StableDiffusionXLPipeline(
        scheduler=scheduler, add_watermarker=False, **parts, **tokenizers
    )
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return Pipelines(pipeline.to("cuda"), None, settings_of(places, "float16"))


def check(pipelines, places, sampling):
    """Every image of a full batch is the one made alone, and the check at start finds nothing."""
    with closing(DiffusersEngine(pipelines, places, 0.0)) as engine:
        with structlog.testing.capture_logs() as logs:
            assert warm_up(engine, sampling) == 0, logs
        requests = [ImageRequest(f"two red circles {n}", n, sampling) for n in range(places)]
        together = [sample.pixels.tobytes() for sample in engine.batch(requests, SILENT)]
        backwards = [sample.pixels.tobytes() for sample in engine.batch(requests[::-1], SILENT)]
        assert backwards[::-1] == together
        for number, one in enumerate(requests):
            (sample,) = engine.batch([one], SILENT)
            assert sample.pixels.tobytes() == together[number], number
        assert len(set(together)) == places


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("places", [4, 8, 16])
def test_bundled_images_do_not_depend_on_their_batch(places, dtype):
    settings = GenerationSettings(batch_size=places, pipeline=settings_of(places, dtype))
    check(load_pipelines(settings), places, Sampling(6, 3.0, 0.8, 64, 64))


@pytest.mark.parametrize("places", [8, 16])
def test_images_at_full_size_do_not_depend_on_their_batch(places):
    check(full_size(places), places, Sampling(2, 8.0, 1.0, 1024, 1024))
