"""The model repository of a Triton server, rendered from a service's settings.

``config.pbtxt`` configures Triton's queue and batching, and contains the settings that the model
loads; ``1/model.py`` is the entry point of the Python backend. The parameters include the model's
digest and numerics, so that a service can reject a server with a different model.
"""

import json
from pathlib import Path
from typing import Any

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.identity import Identity
from synthvlm.generation.triton.tensors import INPUTS, MODEL, OUTPUTS, Tensor
from synthvlm.serving.settings import ServiceSettings

_OF_MODEL = tuple(
    name
    for name in GenerationSettings.model_fields
    if name not in {*ServiceSettings.model_fields, "engine", "triton"}
)
"""Settings that the model needs: what to load, and defaults for requests."""

_BATCHES = 4
"""Batches handed over at once where places are reserved."""

ENTRY = '''"""Entry point of Triton's Python backend; everything else is in the package."""

import os
import sys

# The backend's interpreter is an isolated one: it ignores PYTHONPATH and virtual environments.
sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]

from synthvlm.generation.cpu import prepare_cpu  # noqa: E402
from synthvlm.heap import put_off_full_collections  # noqa: E402

# The model loads torch.
put_off_full_collections()
prepare_cpu()

from synthvlm.generation.triton.model import TritonPythonModel  # noqa: E402, F401
'''
"""``model.py`` of every repository."""


def write_repository(folder: Path, settings: GenerationSettings, identity: Identity) -> None:
    """Writes a model repository, replacing an existing one.

    Args:
        folder: The repository.
        settings: What to load, and how to queue and batch.
        identity: What will be loaded.
    """
    version = folder / MODEL / "1"
    version.mkdir(parents=True, exist_ok=True)
    (folder / MODEL / "config.pbtxt").write_text(render_config(settings, identity), "utf-8")
    (version / "model.py").write_text(ENTRY, "utf-8")


def render_config(settings: GenerationSettings, identity: Identity) -> str:
    """The text of ``config.pbtxt``."""
    # Whoever waits for a reserved place leaves places empty; of several batches' images most fit.
    several = _BATCHES if settings.pipeline.reserved_places else 1
    largest = settings.triton.handover or several * settings.batch_size
    gpu = settings.pipeline.device.startswith("cuda")
    values = settings.model_dump(mode="json")
    parameters = {
        "model_digest": identity.model_digest,
        "numerics": json.dumps(dict(identity.numerics), sort_keys=True),
        "settings": json.dumps({name: values[name] for name in _OF_MODEL}, sort_keys=True),
    }
    blocks = [
        f"name: {_quoted(MODEL)}",
        'backend: "python"',
        f"max_batch_size: {largest}",
        *(f"input {_tensor(one, ragged=-1 in one.dims)}" for one in INPUTS),
        *(f"output {_tensor(one)}" for one in OUTPUTS),
        _block(
            "dynamic_batching",
            f"preferred_batch_size: [ {settings.batch_size} ]",
            f"max_queue_delay_microseconds: {round(settings.batch_wait_ms * 1000)}",
            _block(
                "default_queue_policy",
                f"max_queue_size: {settings.triton.queue}",
                "timeout_action: REJECT",
                f"default_timeout_microseconds: {round(settings.triton.queue_seconds * 1e6)}",
                "allow_timeout_override: true",
            ),
        ),
        _block(
            "instance_group",
            f"count: {settings.triton.instances}",
            f"kind: {'KIND_GPU' if gpu else 'KIND_CPU'}",
            *([f"gpus: [ {', '.join(map(str, settings.triton.gpus))} ]"] if gpu else []),
        ),
        *(
            _block(
                "parameters", f"key: {_quoted(key)}", f"value {{ string_value: {_quoted(text)} }}"
            )
            for key, text in parameters.items()
        ),
    ]
    return "\n".join(blocks) + "\n"


def read_parameters(config: dict[str, Any]) -> dict[str, str]:
    """The parameters of a model's configuration, from Triton's JSON."""
    return {key: entry["string_value"] for key, entry in config.get("parameters", {}).items()}


def read_identity(config: dict[str, Any]) -> Identity | None:
    """The identity in a model's configuration; None if this project did not render it."""
    parameters = read_parameters(config)
    if not {"model_digest", "numerics"} <= parameters.keys():
        return None
    return Identity(parameters["model_digest"], json.loads(parameters["numerics"]))


def _tensor(tensor: Tensor, ragged: bool = False) -> str:
    dims = ", ".join(map(str, tensor.dims))
    text = f"name: {_quoted(tensor.name)} data_type: TYPE_{tensor.datatype} dims: [ {dims} ]"
    # Otherwise only requests with prompts of the same length would share a batch.
    return f"{{ {text}{' allow_ragged_batch: true' if ragged else ''} }}"


def _block(name: str, *lines: str) -> str:
    inner = "\n".join(f"  {line}" for text in lines for line in text.splitlines())
    return f"{name} {{\n{inner}\n}}"


def _quoted(text: str) -> str:
    """A string in protobuf's text format, which escapes ASCII as JSON does."""
    return json.dumps(text)
