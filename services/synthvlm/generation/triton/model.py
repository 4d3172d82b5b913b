"""The model that a Triton server loads: diffusers' pipelines behind Triton's Python backend.

It splits the requests that Triton hands over into batches for the pipelines, answers each request
separately, and stops a batch when all its requests are cancelled.

Tensors are exchanged by DLPack, not as NumPy arrays: the backend's interpreter may have been built
against NumPy 1, and then its arrays are wrong in a process with NumPy 2 (every element is the first
one). DLPack passes the memory itself.
"""

import json
import time
import traceback
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import triton_python_backend_utils as triton  # of the server, in its process alone
from torch.utils.dlpack import from_dlpack

from synthvlm.errors import DomainError, InvalidInput, OperationCancelled
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import ImageRequest, timed
from synthvlm.generation.identity import Identity, places_of
from synthvlm.generation.loading import load_pipelines, settle_padding
from synthvlm.generation.triton.groups import split
from synthvlm.generation.triton.repository import read_identity, read_parameters
from synthvlm.generation.triton.tensors import INPUTS, read_request, write_sample
from synthvlm.heap import keep_what_is_there


class _Callers:
    """The reporter of a batch, which continues until all its requests are cancelled."""

    def __init__(self, requests: Sequence[Any]) -> None:
        self._requests = requests
        self._asked = 0

    def report(self, done: int, total: int, resumed: int = 0, reused: int = 0) -> None:
        """Only asks, as ``check``."""
        del done, total, resumed, reused
        self.check()

    def check(self) -> None:
        """Raises if all requests are cancelled."""
        if all(request.is_cancelled() for request in self._requests):
            raise OperationCancelled(f"the batch was cancelled in step {self._asked}")
        self._asked += 1


class TritonPythonModel:
    """One instance of the model, on its GPU or on the CPU."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the pipelines.

        Raises:
            TritonModelException: They cannot be loaded, or do not match the configuration.
        """
        config = json.loads(args["model_config"])
        settings = GenerationSettings(**json.loads(read_parameters(config)["settings"]))
        if args["model_instance_kind"] == "GPU":
            device = f"cuda:{args['model_instance_device_id']}"
            pipeline = settings.pipeline.model_copy(update={"device": device})
            settings = settings.model_copy(update={"pipeline": pipeline})
        self._settings = settings
        try:
            self._pipelines = load_pipelines(settings)
            settle_padding(self._pipelines, settings)
        except DomainError as error:
            raise triton.TritonModelException(error.message) from error
        self._places = places_of(self._pipelines.numerics, settings.batch_size)
        loaded = Identity(self._pipelines.model_digest, self._pipelines.numerics)
        wanted = read_identity(config)
        if wanted != loaded:
            problem = wanted.difference(loaded) if wanted else "the configuration names no model"
            raise triton.TritonModelException(
                f"the model differs from its configuration ({problem}); render the repository again"
            )
        keep_what_is_there()

    def execute(self, requests: Sequence[Any]) -> None:
        """Answers requests, each as soon as its batch is finished."""
        jobs: list[tuple[ImageRequest, Any]] = []
        for request in requests:
            try:
                jobs.append((self._read(request), request))
            except InvalidInput as error:
                _refuse([request], error.message, triton.TritonError.INVALID_ARG)
        for group in split(jobs, self._places):
            self._serve([image for image, _ in group], [request for _, request in group])

    def _read(self, request: Any) -> ImageRequest:
        tensors = {one.name: triton.get_input_tensor_by_name(request, one.name) for one in INPUTS}
        inputs = {name: from_dlpack(tensor).numpy() for name, tensor in tensors.items()}
        return read_request(inputs, self._settings)

    def _serve(self, images: Sequence[ImageRequest], requests: Sequence[Any]) -> None:
        try:
            began = time.monotonic()
            samples = self._pipelines.generate(images, _Callers(requests))
            samples = timed(samples, time.monotonic() - began)
        except OperationCancelled as error:
            triton.Logger.log_info(f"stopped {len(requests)} images: {error.message}")
            _refuse(requests, error.message, triton.TritonError.CANCELLED)
            return
        except Exception:
            # An error in one batch must not stop the others.
            triton.Logger.log_error(traceback.format_exc())
            _refuse(requests, traceback.format_exc(limit=-1), triton.TritonError.INTERNAL)
            return
        for request, sample in zip(requests, samples, strict=True):
            tensors = [
                triton.Tensor.from_dlpack(name, torch.from_numpy(np.ascontiguousarray(array)))
                for name, array in write_sample(sample).items()
            ]
            _send(request, triton.InferenceResponse(tensors))


def _refuse(requests: Sequence[Any], message: str, code: Any) -> None:
    for request in requests:
        error = triton.TritonError(message, code)
        _send(request, triton.InferenceResponse(error=error))


def _send(request: Any, response: Any) -> None:
    request.get_response_sender().send(response, flags=triton.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
