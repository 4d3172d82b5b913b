"""Typed clients of the services, synchronous and asynchronous.

``GenerationClient(connect("127.0.0.1:50051")).generate_image(request)``: one method an RPC, which
takes the proto request and returns the proto answer. Errors of the service are raised as their
classes of ``synthvlm.errors``; those that are worth it are retried.
"""

from synthvlm.client.alignment import AlignmentClient, AsyncAlignmentClient
from synthvlm.client.caption import AsyncCaptionClient, CaptionClient
from synthvlm.client.channels import connect, connect_async
from synthvlm.client.dataset import AsyncDatasetClient, DatasetClient
from synthvlm.client.generation import AsyncGenerationClient, GenerationClient
from synthvlm.client.retry import RetryPolicy
from synthvlm.client.review import AsyncReviewClient, ReviewClient

__all__ = [
    "AlignmentClient",
    "AsyncAlignmentClient",
    "AsyncCaptionClient",
    "AsyncDatasetClient",
    "AsyncGenerationClient",
    "AsyncReviewClient",
    "CaptionClient",
    "DatasetClient",
    "GenerationClient",
    "RetryPolicy",
    "ReviewClient",
    "connect",
    "connect_async",
]
