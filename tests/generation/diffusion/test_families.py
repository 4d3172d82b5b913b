"""SD3-, turbo- and lightning-style pipelines by configuration, on every executor of the CPU."""

import numpy as np
import pytest

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.diffusion.components import components_of
from synthvlm.generation.diffusion.executor import take_over
from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.generation.loading import load_pipelines
from synthvlm.generation.onnx.executor import OnnxRuntimeExecutor
from synthvlm.progress import SILENT
from tests.generation.diffusion import families

LIGHTNING = {
    "scheduler": "EulerDiscreteScheduler",
    "scheduler_options": {"timestep_spacing": "trailing"},
}
LCM = {"scheduler": "LCMScheduler"}
SD3 = {"class_name": "StableDiffusion3Pipeline"}

FAMILIES = {
    # Folder, settings, steps, guidance.
    "turbo": ("turbo", {}, 1, 1.0),
    "turbo in four steps": ("turbo", {}, 4, 1.0),
    "lightning": ("turbo", LIGHTNING, 4, 1.0),
    "consistency": ("turbo", LCM, 2, 1.0),
    "sd3": ("sd3", SD3, 3, 4.0),
    "sd3 without guidance": ("sd3", SD3, 2, 1.0),
    "sd3 without T5": ("sd3 without t5", SD3, 2, 4.0),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("families")
    return {
        "turbo": families.turbo(root / "turbo"),
        "sd3": families.sd3(root / "sd3", t5=True),
        "sd3 without t5": families.sd3(root / "sd3-clip", t5=False),
    }


def pipelines_of(folder, executor, changes):
    pipeline = {"model": str(folder), "executor": executor, "threads": 1, **changes}
    return load_pipelines(GenerationSettings(pipeline=pipeline))


@pytest.fixture(scope="module")
def loaded_pipelines(folders):
    """Pipelines by family and executor, each loaded once."""
    loaded = {}

    def get(family, executor):
        folder, changes, *_ = FAMILIES[family]
        key = (folder, str(changes), executor)
        if key not in loaded:
            loaded[key] = pipelines_of(folders[folder], executor, changes)
        return loaded[key]

    return get


def requests(family, count, size=(32, 32)):
    _, _, steps, guidance = FAMILIES[family]
    sampling = Sampling(steps, guidance, 1.0, *size)
    return [ImageRequest(f"a red circle {n}", 30 + n, sampling) for n in range(count)]


def pixels(samples):
    assert all(sample.defect is None for sample in samples)
    return np.stack([sample.pixels.astype(int) for sample in samples])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_a_matter_of_configuration(loaded_pipelines, family):
    batch = requests(family, 3)
    images = pixels(loaded_pipelines(family, "torch").generate(batch, SILENT))
    assert images.shape == (3, 32, 32, 3)
    assert not np.array_equal(images[0], images[1])
    again = pixels(loaded_pipelines(family, "torch").generate(batch, SILENT))
    assert np.array_equal(images, again)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_is_the_same_alone_and_in_a_batch(loaded_pipelines, family):
    batch = requests(family, 3)
    for executor in ("torch", "onnxruntime"):
        pipelines = loaded_pipelines(family, executor)
        together = pixels(pipelines.generate(batch, SILENT))
        (alone,) = pipelines.generate(batch[2:], SILENT)
        assert np.array_equal(alone.pixels, together[2])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_executors_agree_within_a_rounding(loaded_pipelines, family):
    for size in ((32, 32), (48, 16)):
        batch = requests(family, 2, size)
        ours = pixels(loaded_pipelines(family, "onnxruntime").generate(batch, SILENT))
        theirs = pixels(loaded_pipelines(family, "torch").generate(batch, SILENT))
        assert np.abs(ours - theirs).max() <= 1


def test_the_scheduler_makes_the_difference(loaded_pipelines):
    own, other = (
        loaded_pipelines(family, "torch").generate(requests("lightning", 1), SILENT)[0].pixels
        for family in ("turbo", "lightning")
    )
    assert not np.array_equal(own, other)


def test_every_component_of_sd3_is_executed(loaded_pipelines):
    pipeline = loaded_pipelines("sd3", "torch").by_role["base"]
    names = {"transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"}
    assert set(components_of(pipeline)) == names
    executed = loaded_pipelines("sd3", "onnxruntime").by_role["base"]
    assert all(not list(getattr(executed, name).parameters()) for name in names)


def test_a_component_that_only_pytorch_computes_is_refused_and_not_left_behind(folders):
    pipelines = pipelines_of(folders["turbo"], "torch", {})
    pipeline = pipelines.by_role["base"]
    pipeline.register_modules(unet=pipeline.unet.mid_block)
    with pytest.raises(NotImplementedError, match=r"set pipeline\.executor to torch"):
        take_over({"base": pipeline}, OnnxRuntimeExecutor(1), "cpu")
