"""What every gRPC server of the project shares.

A service is a ``Service``; ``main`` runs it. Its servicer begins each method with ``validated`` and
gives blocking work to ``offload``, ``stream`` or ``iterate``; what it raises of
``synthvlm.errors`` reaches the client as a status with details.
"""

from synthvlm.serving.calls import Context
from synthvlm.serving.fields import RequestModel
from synthvlm.serving.idempotency import AnswerCache
from synthvlm.serving.lifecycle import main
from synthvlm.serving.offload import iterate, offload, stream
from synthvlm.serving.reception import validated
from synthvlm.serving.service import Service
from synthvlm.serving.settings import ServiceSettings
from synthvlm.serving.validation import parse

__all__ = [
    "AnswerCache",
    "Context",
    "RequestModel",
    "Service",
    "ServiceSettings",
    "iterate",
    "main",
    "offload",
    "parse",
    "stream",
    "validated",
]
