"""Typed clients of the services.

``GenerationClient(connect("127.0.0.1:50051")).generate_image(request)``: one method an RPC, which
takes the proto request and returns the proto answer. Errors of the service are raised as their
classes of ``synthvlm.errors``; those that are worth it are retried.
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
