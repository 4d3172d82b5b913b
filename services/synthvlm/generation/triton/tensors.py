"""The tensors of the Triton model, for client and server: requests and samples as named arrays.

A request is one image: Triton forms the batches. Texts are UTF-8 in arrays of bytes, so that no
array holds Python objects.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.generation import requests
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import BLANK, NOT_FINITE, ImageRequest, Sample

MODEL = "sdxl"
"""Name of the Triton model."""

Arrays = Mapping[str, npt.NDArray[Any]]

_DEFECTS = (None, NOT_FINITE, BLANK)
"""Defects by their number in the tensor."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of the model.

    Attributes:
        datatype: Triton's name of its data type.
        dims: Its shape without the batch axis; -1 for a dimension that varies between images.
    """

    name: str
    datatype: str
    dims: tuple[int, ...] = (1,)

    @property
    def dtype(self) -> "np.dtype[Any]":
        """Its NumPy data type."""
        return np.dtype(_DTYPES[self.datatype])


_DTYPES = {"UINT8": "uint8", "BOOL": "bool", "INT32": "int32", "INT64": "int64", "FP32": "float32"}

PROMPT = Tensor("prompt", "UINT8", (-1,))
SEED = Tensor("seed", "INT64")
NEGATIVE_PROMPT = Tensor("negative_prompt", "UINT8", (-1,))
PARAMETERS = (
    Tensor("steps", "INT32"),
    Tensor("guidance_scale", "FP32"),
    Tensor("high_noise_fraction", "FP32"),
    Tensor("width", "INT32"),
    Tensor("height", "INT32"),
)
"""Zero means the profile's value, as in the service's proto."""

INPUTS = (PROMPT, SEED, *PARAMETERS, NEGATIVE_PROMPT)

PIXELS = Tensor("pixels", "UINT8", (-1, -1, 3))
DEFECT = Tensor("defect", "UINT8")
TRUNCATED = Tensor("truncated", "BOOL")

SECONDS = Tensor("seconds", "FP32")

OUTPUTS = (PIXELS, DEFECT, TRUNCATED, SECONDS)


def write_request(request: ImageRequest) -> dict[str, npt.NDArray[Any]]:
    """A request as the model's inputs, each with a batch axis of length 1."""
    sampling = request.sampling
    return {
        PROMPT.name: _text(request.prompt),
        SEED.name: np.array([[request.seed]], SEED.dtype),
        **{one.name: np.array([[getattr(sampling, one.name)]], one.dtype) for one in PARAMETERS},
        NEGATIVE_PROMPT.name: _text(sampling.negative_prompt),
    }


def read_request(inputs: Arrays, settings: GenerationSettings) -> ImageRequest:
    """Parses a request; unset parameters get the profile's values.

    Args:
        inputs: The model's inputs by name, each with a batch axis.
        settings: Limits and default values.

    Raises:
        InvalidInput: A value is invalid, or there is more than one image; the violations name
            inputs.
    """
    if any(array.shape[:1] != (1,) for array in inputs.values()):
        raise _invalid(
            [FieldViolation("batch", "a request must have one image; Triton forms the batches")]
        )
    try:
        parsed = requests.GenerateImage.model_validate(
            {
                "prompt": _string(inputs, PROMPT),
                "seed": _number(inputs, SEED),
                "parameters": {
                    **{one.name: _number(inputs, one) for one in PARAMETERS},
                    "negative_prompt": _string(inputs, NEGATIVE_PROMPT),
                },
                "format": "IMAGE_FORMAT_UNSPECIFIED",
                "request_id": "",
            }
        )
        sampling = requests.complete(parsed.parameters, settings)
    except ValidationError as error:
        raise _invalid(
            [
                FieldViolation(str(entry["loc"][-1]), entry["msg"])
                for entry in error.errors(include_url=False)
            ]
        ) from error
    except InvalidInput as error:
        raise _invalid(
            [
                FieldViolation(one.field.removeprefix("parameters."), one.description)
                for one in error.violations
            ]
        ) from error
    return ImageRequest(parsed.prompt, parsed.seed, sampling)


def write_sample(sample: Sample) -> dict[str, npt.NDArray[Any]]:
    """A sample as the model's outputs, each with a batch axis of length 1."""
    return {
        PIXELS.name: sample.pixels[None],
        DEFECT.name: np.array([[_DEFECTS.index(sample.defect)]], DEFECT.dtype),
        TRUNCATED.name: np.array([[sample.truncated]], TRUNCATED.dtype),
        SECONDS.name: np.array([[sample.seconds]], SECONDS.dtype),
    }


def read_sample(outputs: Arrays) -> Sample:
    """The sample in the model's outputs."""
    return Sample(
        pixels=outputs[PIXELS.name][0],
        defect=_DEFECTS[int(outputs[DEFECT.name].item())],
        truncated=bool(outputs[TRUNCATED.name].item()),
        seconds=float(outputs[SECONDS.name].item()),
    )


def _text(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)[None]


def _string(inputs: Arrays, tensor: Tensor) -> str:
    try:
        return inputs[tensor.name].tobytes().decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("", [FieldViolation(tensor.name, "is not UTF-8")]) from error


def _number(inputs: Arrays, tensor: Tensor) -> int | float:
    number: int | float = inputs[tensor.name].item()
    # The shortest decimal that represents the same 32-bit float, as in the service's proto.
    return float(str(np.float32(number))) if tensor.datatype == "FP32" else number


def _invalid(violations: list[FieldViolation]) -> InvalidInput:
    text = "; ".join(f"{one.field}: {one.description}" for one in violations)
    return InvalidInput(text, violations)
