"""Typed clients of the services.

``GenerationClient(connect("127.0.0.1:50051")).generate_image(request)``: one method per RPC, which
takes the proto request and returns the proto response. Errors of the service are raised as the
classes of ``synthvlm.errors``; retryable ones are retried first.
"""

from synthvlm.client.alignment import AlignmentClient
from synthvlm.client.caption import CaptionClient
from synthvlm.client.channels import connect
from synthvlm.client.dataset import DatasetClient
from synthvlm.client.generation import GenerationClient
from synthvlm.client.retry import RetryPolicy
from synthvlm.client.review import ReviewClient

__all__ = [
    "AlignmentClient",
    "CaptionClient",
    "DatasetClient",
    "GenerationClient",
    "RetryPolicy",
    "ReviewClient",
    "connect",
]
