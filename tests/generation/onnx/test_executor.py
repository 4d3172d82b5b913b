"""Networks that an executor computes, against the same networks in PyTorch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from synthvlm.errors import OperationCancelled, PreconditionFailed
from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.generation.engines import diffusers
from synthvlm.generation.executors.export import TOLERANCE, check, export, weights_of
from synthvlm.generation.executors.networks import Decoder, networks_of
from synthvlm.generation.executors.onnxruntime import OnnxRuntimeExecutor
from synthvlm.models import resolve_model
from synthvlm.progress import SILENT

BASE = resolve_model("bundled:mini-sdxl")
REFINER = resolve_model("bundled:mini-sdxl-refiner")
SAMPLING = Sampling(4, 3.0, 0.5, 32, 32)
THREADS = 2


def requests(count, sampling=SAMPLING):
    return [ImageRequest(f"a red circle, number {i}", 50 + i, sampling) for i in range(count)]


@pytest.fixture(scope="module")
def executed():
    """The bundled pipelines, computed by ONNX Runtime."""
    return diffusers.load(
        BASE,
        REFINER,
        device="cpu",
        dtype="float32",
        threads=THREADS,
        batch_multiple=4,
        executor=OnnxRuntimeExecutor(THREADS),
    )


def pixels(samples):
    return np.stack([sample.pixels.astype(int) for sample in samples])


def test_images_are_those_of_pytorch_within_a_rounding(engine, executed):
    batch = requests(3)
    ours = pixels(executed.generate(batch, SILENT))
    theirs = pixels(engine.generate(batch, SILENT))
    assert np.abs(ours - theirs).max() <= 1


def test_other_sizes_and_no_guidance_need_no_other_graph(engine, executed):
    sampling = replace(SAMPLING, width=48, height=24, guidance_scale=1.0, negative_prompt="blue")
    batch = requests(2, sampling)
    ours = pixels(executed.generate(batch, SILENT))
    assert ours.shape == (2, 24, 48, 3)
    assert np.abs(ours - pixels(engine.generate(batch, SILENT))).max() <= 1


def test_an_image_does_not_depend_on_its_batch(executed):
    batch = requests(5)
    together = pixels(executed.generate(batch, SILENT))
    for position in (0, 4):
        (alone,) = executed.generate([batch[position]], SILENT)
        assert np.array_equal(alone.pixels, together[position])


def test_cancellation_is_asked_for_in_every_step(executed):
    class Gone:
        left = 2

        def report(self, done, total, resumed=0):
            self.check()

        def check(self):
            self.left -= 1
            if self.left < 0:
                raise OperationCancelled("gone")

    with pytest.raises(OperationCancelled):
        executed.generate(requests(1), Gone())


def test_the_engine_names_its_executor(engine, executed):
    assert executed.numerics["executor"] == "onnxruntime"
    assert executed.numerics != engine.numerics
    assert executed.model_digest == engine.model_digest


def test_every_network_is_executed_and_shared_ones_once(engine, executed):
    def parts(pipeline):
        return {name: getattr(pipeline, name) for name in networks_of(pipeline)}

    base, refiner = parts(engine._base), parts(engine._refiner)
    assert set(base) == {"unet", "vae", "text_encoder", "text_encoder_2"}
    assert set(refiner) == {"unet", "vae", "text_encoder_2"}
    for part in ("vae", "text_encoder_2"):
        shared = base[part] is refiner[part]
        assert (getattr(executed._base, part) is getattr(executed._refiner, part)) == shared
    for part in base:
        module = getattr(executed._base, part)
        assert list(module.parameters()) == []
        assert module.config == base[part].config


class Wrong:
    """An executor that computes a little beside the truth."""

    def __init__(self, error):
        self.error = error

    def __call__(self, network, module):
        def run(inputs):
            with torch.no_grad():
                outputs = network.compute(module, *inputs.values())
            names = [shape.name for shape in network.outputs]
            return {
                name: tensor + self.error * tensor.abs().max()
                for name, tensor in zip(names, outputs, strict=True)
            }

        return run


def test_a_network_beside_the_truth_is_refused(engine):
    vae = engine._base.vae
    network = Decoder(vae)
    assert check(network, vae, Wrong(TOLERANCE / 2)(network, vae)) == pytest.approx(
        TOLERANCE / 2, rel=0.01
    )
    for error in (2 * TOLERANCE, float("nan")):
        with pytest.raises(PreconditionFailed, match="differs from PyTorch"):
            check(network, vae, Wrong(error)(network, vae))


def test_an_exported_graph_is_two_files_with_free_axes(engine, tmp_path):
    import onnx

    file = tmp_path / "vae.onnx"
    export(Decoder(engine._base.vae), engine._base.vae, file)
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
        executed._base.text_encoder(ids, attention_mask=torch.ones_like(ids))
