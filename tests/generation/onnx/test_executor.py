"""Components that ONNX Runtime computes, against the same ones in PyTorch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from synthvlm.errors import OperationCancelled, PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.diffusion.components import Decoder, components_of
from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.generation.loading import load_pipelines
from synthvlm.generation.onnx.check import TOLERANCE, check
from synthvlm.generation.onnx.export import export, weights_of
from synthvlm.model_folders import resolve_model
from synthvlm.progress import SILENT

BASE = resolve_model("bundled:mini-sdxl")
SAMPLING = Sampling(4, 3.0, 0.5, 32, 32)


def requests(count, sampling=SAMPLING):
    return [ImageRequest(f"a red circle, number {i}", 50 + i, sampling) for i in range(count)]


@pytest.fixture(scope="module")
def executed():
    """The bundled pipelines, computed by ONNX Runtime."""
    pipeline = {"refiner": "bundled:mini-sdxl-refiner", "executor": "onnxruntime"}
    return load_pipelines(GenerationSettings(pipeline=pipeline))


def pixels(samples):
    return np.stack([sample.pixels.astype(int) for sample in samples])


def test_images_are_those_of_pytorch_within_a_rounding(pipelines, executed):
    batch = requests(3)
    ours = pixels(executed.generate(batch, SILENT))
    theirs = pixels(pipelines.generate(batch, SILENT))
    assert np.abs(ours - theirs).max() <= 1


def test_other_sizes_and_no_guidance_need_no_other_graph(pipelines, executed):
    sampling = replace(SAMPLING, width=48, height=24, guidance_scale=1.0, negative_prompt="blue")
    batch = requests(2, sampling)
    ours = pixels(executed.generate(batch, SILENT))
    assert ours.shape == (2, 24, 48, 3)
    assert np.abs(ours - pixels(pipelines.generate(batch, SILENT))).max() <= 1


def test_an_image_does_not_depend_on_its_batch(executed):
    batch = requests(5)
    together = pixels(executed.generate(batch, SILENT))
    for position in (0, 4):
        (alone,) = executed.generate([batch[position]], SILENT)
        assert np.array_equal(alone.pixels, together[position])


def test_cancellation_is_asked_for_in_every_step(executed):
    class Gone:
        left = 2

        def report(self, done, total, resumed=0, reused=0):
            self.check()

        def check(self):
            self.left -= 1
            if self.left < 0:
                raise OperationCancelled("gone")

    with pytest.raises(OperationCancelled):
        executed.generate(requests(1), Gone())


def test_the_numerics_name_the_executor(pipelines, executed):
    assert executed.numerics["executor"] == "onnxruntime"
    assert executed.numerics != pipelines.numerics
    assert executed.model_digest == pipelines.model_digest


def test_every_component_is_executed_and_shared_ones_once(pipelines, executed):
    def components(pipeline):
        return {name: getattr(pipeline, name) for name in components_of(pipeline)}

    base, refiner = map(components, pipelines.by_role.values())
    executed_base, executed_refiner = executed.by_role.values()
    assert set(base) == {"unet", "vae", "text_encoder", "text_encoder_2"}
    assert set(refiner) == {"unet", "vae", "text_encoder_2"}
    for name in ("vae", "text_encoder_2"):
        shared = base[name] is refiner[name]
        assert (getattr(executed_base, name) is getattr(executed_refiner, name)) == shared
    for name in base:
        module = getattr(executed_base, name)
        assert list(module.parameters()) == []
        assert module.config == base[name].config


class Wrong:
    """An executor that computes a little beside the truth."""

    def __init__(self, error):
        self.error = error

    def __call__(self, component, module):
        def run(inputs):
            with torch.no_grad():
                outputs = component.compute(module, *inputs.values())
            names = [shape.name for shape in component.outputs]
            return {
                name: tensor + self.error * tensor.abs().max()
                for name, tensor in zip(names, outputs, strict=True)
            }

        return run


def test_a_component_beside_the_truth_is_refused(pipelines):
    vae = pipelines.by_role["base"].vae
    component = Decoder(vae)
    assert check(component, vae, Wrong(TOLERANCE / 2)(component, vae)) == pytest.approx(
        TOLERANCE / 2, rel=0.01
    )
    for error in (2 * TOLERANCE, float("nan")):
        with pytest.raises(PreconditionFailed, match="differs from PyTorch"):
            check(component, vae, Wrong(error)(component, vae))


def test_an_exported_graph_is_two_files_with_free_axes(pipelines, tmp_path):
    import onnx

    file = tmp_path / "vae.onnx"
    vae = pipelines.by_role["base"].vae
    export(Decoder(vae), vae, file)
    assert {path.name for path in tmp_path.iterdir()} == {"vae.onnx", "vae.weights"}
    assert weights_of(file).stat().st_size > file.stat().st_size
    graph = onnx.load(file, load_external_data=False).graph
    (latents,) = graph.input
    axes = [axis.dim_param or axis.dim_value for axis in latents.type.tensor_type.shape.dim]
    assert axes == ["batch", 4, "height", "width"]


def test_the_precision_of_the_module_is_that_of_the_graph(tmp_path):
    import onnx

    vae = AutoencoderKL.from_pretrained(BASE / "vae", local_files_only=True).half()
    export(Decoder(vae), vae, tmp_path / "vae.onnx")
    graph = onnx.load(tmp_path / "vae.onnx", load_external_data=False).graph
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT16
    assert graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT16


def test_a_text_encoder_with_an_argument_that_the_graph_lacks_is_refused(executed):
    ids = torch.ones(1, 77, dtype=torch.int64)
    with pytest.raises(NotImplementedError, match="attention_mask"):
        executed.by_role["base"].text_encoder(ids, attention_mask=torch.ones_like(ids))
