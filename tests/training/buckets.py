"""A bucket of S3, served on this machine."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from synthvlm.storage import Store, open_store, parse_location


@contextmanager
def bucket() -> Iterator[Store]:
    """The store ``s3://data/run``, with credentials in the environment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{port}"
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", endpoint)
            patch.setenv("AWS_ACCESS_KEY_ID", "id")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
            patch.setenv("AWS_REGION", "us-east-1")
            patch.setenv("AWS_ALLOW_HTTP", "true")
            urlopen(Request(f"{endpoint}/data", method="PUT")).close()
            yield open_store(parse_location("s3://data/run"))
    finally:
        server.stop()
