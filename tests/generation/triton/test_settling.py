"""An image alone is the one in a batch, also where padding single layers is not enough for that.

The kernels of a processor cannot be chosen by a test. So the bundled pipelines, and the Triton
server, get a backend of PyTorch whose kernels differ between few rows and many.
"""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
import torch

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.diffusion.pipelines import Pipelines
from synthvlm.generation.engine import ImageRequest, Sample, Sampling
from synthvlm.generation.engines.triton import TritonEngine
from synthvlm.generation.identity import wanted_identity
from synthvlm.generation.loading import load_pipelines, settle_padding
from synthvlm.progress import SILENT
from tests.generation.triton import uneven_kernels
from tests.triton_server import TritonServer, triton_server

BATCH = 4
SAMPLING = Sampling(2, 3.0, 0.5, 32, 32)
VALUES: dict[str, Any] = {
    "pipeline": {"refiner": "bundled:mini-sdxl-refiner"},
    "batch_size": BATCH,
    "max_pixels": 32 * 32,
    **SAMPLING.to_json(),
}
SETTINGS = GenerationSettings(**VALUES)
REQUESTS = [ImageRequest(f"a red circle, number {n}", n, SAMPLING) for n in range(BATCH)]
WARNING = "padding single layers is not enough"


def pixels(samples: list[Sample]) -> Any:
    return np.stack([sample.pixels for sample in samples])


def alone(pipelines: Pipelines) -> Any:
    return pixels([pipelines.generate([request], SILENT)[0] for request in REQUESTS])


@pytest.fixture
def uneven(monkeypatch: pytest.MonkeyPatch) -> Pipelines:
    """The bundled pipelines on such a backend, before they are settled."""
    monkeypatch.setattr(torch.nn.GroupNorm, "forward", uneven_kernels.group_norm)
    return load_pipelines(SETTINGS)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A Triton server on such a backend."""
    packages = tmp_path / "packages"
    packages.mkdir()
    monkeypatch.setenv("PYTHONPATH", uneven_kernels.install(packages))
    with triton_server(tmp_path, VALUES) as started:
        yield started


def test_pipelines_give_an_image_the_same_bytes_once_they_are_settled(uneven: Pipelines) -> None:
    together = pixels(uneven.generate(REQUESTS, SILENT))
    apart = alone(uneven)
    assert all(not np.array_equal(*images) for images in zip(apart, together, strict=True))
    identity = uneven.model_digest, uneven.numerics
    with structlog.testing.capture_logs() as logs:
        settle_padding(uneven, SETTINGS)
    assert [entry["log_level"] for entry in logs if WARNING in entry["event"]] == ["warning"]
    assert np.array_equal(alone(uneven), together)
    # Full batches are those of before, so nothing that was made has another identity.
    assert np.array_equal(pixels(uneven.generate(REQUESTS, SILENT)), together)
    assert (uneven.model_digest, uneven.numerics) == identity


def test_a_triton_server_settles_its_pipelines_before_it_is_ready(
    server: TritonServer, uneven: Pipelines
) -> None:
    assert WARNING in server.log
    expected = pixels(uneven.generate(REQUESTS, SILENT))
    with closing(TritonEngine([server.address], wanted_identity(SETTINGS), BATCH, 400.0)) as remote:
        apart = pixels([remote.batch([request], SILENT)[0] for request in REQUESTS])
        together = pixels(remote.batch(REQUESTS, SILENT))
    assert np.array_equal(apart, expected)
    assert np.array_equal(together, expected)
