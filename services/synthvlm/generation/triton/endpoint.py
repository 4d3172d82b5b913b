"""A connection to one Triton server: asks for the identity of its model, and for images."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

import grpc
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from synthvlm.errors import PreconditionFailed
from synthvlm.generation.engine import ImageRequest, Sample
from synthvlm.generation.identity import Identity
from synthvlm.generation.triton.repository import read_identity
from synthvlm.generation.triton.shared_outputs import SharedOutputs, Slot
from synthvlm.generation.triton.tensors import (
    INPUTS,
    MODEL,
    OUTPUTS,
    PIXELS,
    read_sample,
    write_request,
)

_ASK_SECONDS = 5.0
_CHANNEL = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Reconnect quickly when a server comes back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Detects a node that vanishes silently; Triton allows one ping in five minutes.
    ("grpc.keepalive_time_ms", 300_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]


class Failure(Enum):
    """Why a server did not return an image."""

    FULL = auto()
    """Its queue is full, or the image waited too long in it."""
    LOST = auto()
    """It is down, starting or stopping, or its model's process died: a retry may succeed."""
    INVALID = auto()
    """The request is invalid; a retry cannot help."""
    BROKEN = auto()
    """The model raised an error."""


@dataclass(frozen=True)
class Answer:
    """The outcome of a call.

    Attributes:
        seconds: How long it took.
        sample: The image; None on failure.
        failure: Why there is no image.
        message: The server's error message.
    """

    seconds: float
    sample: Sample | None = None
    failure: Failure | None = None
    message: str = ""


@dataclass(frozen=True)
class Tls:
    """How servers are known, and how they know their callers.

    Attributes:
        ca_file: PEM file of their authorities.
        certificate_file: PEM file of a caller's certificate; None: none is shown.
        key_file: PEM file of its key.
    """

    ca_file: Path
    certificate_file: Path | None = None
    key_file: Path | None = None


class Endpoint:
    """A connection to one server. ``endpoints.Endpoints`` counts the calls.

    Args:
        address: ``host:port``.
        shared_bytes: Size of the largest image, if the server is on this node and returns pixels
            in shared memory; 0: pixels are sent.
        tls: How it is known; None: plain text.

    Raises:
        OSError: A file of ``tls`` cannot be read.

    Attributes:
        calls: Calls in progress.
        ready: Whether its last answer came from the wanted model.
        refusal: How its model differs from the wanted one; empty if unknown.
    """

    def __init__(self, address: str, shared_bytes: int = 0, tls: Tls | None = None) -> None:
        self.address = address
        self.calls = 0
        self.ready = False
        self.refusal = ""
        self._client = tritonclient.grpc.InferenceServerClient(
            address, channel_args=_CHANNEL, creds=None if tls is None else _credentials(tls)
        )
        self._shared = SharedOutputs(self._client, shared_bytes) if shared_bytes else None

    def ask(self) -> Identity | None:
        """The identity of the server's model; None if the server does not answer.

        A model that was not rendered by this project has an empty identity.

        Raises:
            PreconditionFailed: The server cannot share memory with this process.
        """
        try:
            if not self._client.is_model_ready(MODEL, client_timeout=_ASK_SECONDS):
                return None
            answer = self._client.get_model_config(MODEL, as_json=True, client_timeout=_ASK_SECONDS)
            if self._shared is not None:
                # A restarted server does not know the previous slots.
                self._shared.forget()
                self._shared.give_back(self._shared.take())
        except InferenceServerException as error:
            if "shared memory" in str(error.message()):
                raise PreconditionFailed(
                    f"the Triton server {self.address} cannot open the shared memory of this node: "
                    f"{error.message()}"
                ) from error
            return None
        return read_identity(answer["config"]) or Identity("", {})

    def send(self, request: ImageRequest, done: Callable[[Answer], None]) -> Callable[[], None]:
        """Requests an image.

        Args:
            request: The request.
            done: Called with the answer, from another thread.

        Returns:
            A function that cancels the call: Triton drops it from its queue, or the model stops
            within a step.
        """
        inputs = []
        arrays = write_request(request)
        for tensor in INPUTS:
            array = arrays[tensor.name]
            one = tritonclient.grpc.InferInput(tensor.name, list(array.shape), tensor.datatype)
            one.set_data_from_numpy(array)
            inputs.append(one)
        began = time.monotonic()
        try:
            slot = None if self._shared is None else self._shared.take()
        except InferenceServerException as error:
            done(Answer(0.0, failure=Failure.LOST, message=str(error.message())))
            return lambda: None

        def finish(result: Any, error: InferenceServerException | None) -> None:
            seconds = time.monotonic() - began
            if error is not None:
                if self._shared is not None and slot is not None:
                    self._shared.set_aside(slot)
                done(Answer(seconds, failure=classify(error), message=str(error.message())))
                return
            try:
                done(Answer(seconds, self._sample(result, slot)))
            except Exception as unreadable:  # otherwise the caller would wait forever
                done(Answer(seconds, failure=Failure.BROKEN, message=repr(unreadable)))

        call = self._client.async_infer(MODEL, inputs, finish, outputs=_outputs(slot))
        cancel: Callable[[], None] = call.cancel
        return cancel

    def _sample(self, result: Any, slot: Slot | None) -> Sample:
        sent = [one.name for one in OUTPUTS if slot is None or one is not PIXELS]
        outputs = {name: result.as_numpy(name) for name in sent}
        if self._shared is not None and slot is not None:
            outputs[PIXELS.name] = slot.read(result.get_output(PIXELS.name).shape)
            self._shared.give_back(slot)
        return read_sample(outputs)

    def close(self) -> None:
        """Closes the connection; calls that have not ended fail."""
        if self._shared is not None:
            self._shared.close()
        self._client.close()


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    certificate, key = tls.certificate_file, tls.key_file
    return grpc.ssl_channel_credentials(
        tls.ca_file.read_bytes(),
        None if key is None else key.read_bytes(),
        None if certificate is None else certificate.read_bytes(),
    )


def _outputs(slot: Slot | None) -> list[Any]:
    wanted = {one.name: tritonclient.grpc.InferRequestedOutput(one.name) for one in OUTPUTS}
    if slot is not None:
        wanted[PIXELS.name].set_shared_memory(slot.name, slot.size)
    return list(wanted.values())


def classify(error: InferenceServerException) -> Failure:
    """Classifies an error of Triton.

    Its codes are coarse: a full queue and a server that is down are both UNAVAILABLE, a model that
    raised and a model whose process died are both INTERNAL. The message tells them apart.
    """
    status = str(error.status()).removeprefix("StatusCode.")
    message = str(error.message())
    if "shared memory region" in message:
        return Failure.LOST  # the server has restarted and does not know the region
    if status == "INVALID_ARGUMENT":
        return Failure.INVALID
    if status == "UNAVAILABLE" and any(words in message for words in _FULL):
        return Failure.FULL
    if status == "INTERNAL" and not any(words in message for words in _GONE):
        return Failure.BROKEN
    return Failure.LOST


_FULL = ("Exceeds maximum queue size", "Request timeout expired")
_GONE = ("Stub process", "not healthy", "RST_STREAM", "GOAWAY")
