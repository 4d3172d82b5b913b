"""What Triton's errors mean: its words, as its servers of version 2.51 give them."""

import pytest
from tritonclient.utils import InferenceServerException

from synthvlm.generation.triton.endpoint import Failure, classify


@pytest.mark.parametrize(
    ("status", "message", "failure"),
    [
        ("UNAVAILABLE", "[request id: <id_unknown>] Exceeds maximum queue size", Failure.FULL),
        ("UNAVAILABLE", "[request id: <id_unknown>] Request timeout expired", Failure.FULL),
        ("UNAVAILABLE", "failed to connect to all addresses", Failure.LOST),
        ("UNAVAILABLE", "Socket closed", Failure.LOST),
        ("UNAVAILABLE", "Server is stopping, scheduler for model has stopped", Failure.LOST),
        ("NOT_FOUND", "Request for unknown model: 'sdxl' is not found", Failure.LOST),
        ("CANCELLED", "CANCELLED", Failure.LOST),
        ("INTERNAL", "Stub process 'sdxl_0_0' is not healthy.", Failure.LOST),
        ("INTERNAL", "RuntimeError: CUDA out of memory", Failure.BROKEN),
        ("INVALID_ARGUMENT", "steps: Input should be less than or equal to 500", Failure.INVALID),
    ],
)
def test_words_tell_what_the_code_does_not(status, message, failure):
    assert classify(InferenceServerException(message, f"StatusCode.{status}")) is failure
