"""SD3-, turbo- and lightning-style pipelines by configuration, on every executor of the CPU."""

import numpy as np
import pytest

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.generation.executors.executor import take_over
from synthvlm.generation.executors.networks import networks_of
from synthvlm.generation.executors.onnxruntime import OnnxRuntimeExecutor
from synthvlm.generation.loading import load_pipelines
from synthvlm.progress import SILENT
from tests.generation import families

LIGHTNING = {
    "scheduler": "EulerDiscreteScheduler",
    "scheduler_options": {"timestep_spacing": "trailing"},
}
LCM = {"scheduler": "LCMScheduler"}
SD3 = {"pipeline": "StableDiffusion3Pipeline"}

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


def engine_of(folder, executor, changes):
    settings = GenerationSettings(
        model=str(folder), executor=executor, batch_multiple=4, batch_size=4, threads=1, **changes
    )
    return load_pipelines(settings)


@pytest.fixture(scope="module")
def engines(folders):
    """Engines by family and executor, each loaded once."""
    loaded = {}

    def get(family, executor):
        folder, changes, *_ = FAMILIES[family]
        key = (folder, str(changes), executor)
        if key not in loaded:
            loaded[key] = engine_of(folders[folder], executor, changes)
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
def test_a_family_is_a_matter_of_configuration(engines, family):
    batch = requests(family, 3)
    images = pixels(engines(family, "torch").generate(batch, SILENT))
    assert images.shape == (3, 32, 32, 3)
    assert not np.array_equal(images[0], images[1])
    again = pixels(engines(family, "torch").generate(batch, SILENT))
    assert np.array_equal(images, again)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_is_the_same_alone_and_in_a_batch(engines, family):
    batch = requests(family, 3)
    for executor in ("torch", "onnxruntime"):
        engine = engines(family, executor)
        together = pixels(engine.generate(batch, SILENT))
        (alone,) = engine.generate(batch[2:], SILENT)
        assert np.array_equal(alone.pixels, together[2])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_executors_agree_within_a_rounding(engines, family):
    for size in ((32, 32), (48, 16)):
        batch = requests(family, 2, size)
        ours = pixels(engines(family, "onnxruntime").generate(batch, SILENT))
        theirs = pixels(engines(family, "torch").generate(batch, SILENT))
        assert np.abs(ours - theirs).max() <= 1


def test_the_scheduler_makes_the_difference(engines):
    own, other = (
        engines(family, "torch").generate(requests("lightning", 1), SILENT)[0].pixels
        for family in ("turbo", "lightning")
    )
    assert not np.array_equal(own, other)


def test_every_network_of_sd3_is_executed(engines):
    pipeline = engines("sd3", "torch").pipelines["base"]
    parts = {"transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"}
    assert set(networks_of(pipeline)) == parts
    executed = engines("sd3", "onnxruntime").pipelines["base"]
    assert all(not list(getattr(executed, part).parameters()) for part in parts)


def test_a_network_that_only_pytorch_computes_is_refused_and_not_left_behind(folders):
    engine = engine_of(folders["turbo"], "torch", {})
    pipeline = engine.pipelines["base"]
    pipeline.register_modules(unet=pipeline.unet.mid_block)
    with pytest.raises(NotImplementedError, match="set executor to torch"):
        take_over({"base": pipeline}, OnnxRuntimeExecutor(1), "cpu")
