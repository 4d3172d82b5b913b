"""Which profile regenerates an image when none is given."""

import json
from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest

from synthvlm.cli.commands.images.regeneration import profile_of
from synthvlm.cli.run.plan import profile_digest
from synthvlm.client import DatasetClient, connect
from synthvlm.dataset.v1 import dataset_pb2, dataset_pb2_grpc
from synthvlm.profiles import profile_names


class Versions(dataset_pb2_grpc.DatasetServiceServicer):
    """Versions whose names are those of the profiles of their runs."""

    def GetVersion(self, request, context):
        name = request.version.partition("@")[0]
        digest = profile_digest(name) if name in profile_names() else f"sha256:{'0' * 64}"
        manifest = {"configuration": {"run": {"profile": digest} if name else {}}}
        return dataset_pb2.GetVersionResponse(manifest_json=json.dumps(manifest))


@pytest.fixture(scope="module")
def client() -> Iterator[DatasetClient]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    dataset_pb2_grpc.add_DatasetServiceServicer_to_server(Versions(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with DatasetClient(connect(f"127.0.0.1:{port}")) as client:
        yield client
    server.stop(None)


@pytest.mark.parametrize(
    ("versions", "profile"),
    [
        (["single-gpu@2", "mini@1"], "single-gpu"),
        (["mini@1"], "mini"),
        (["quick@1"], "mini"),
        (["@1"], "mini"),
        ([], "mini"),
    ],
)
def test_it_is_the_shipped_one_of_the_newest_version(
    client: DatasetClient, versions: list[str], profile: str
) -> None:
    image = dataset_pb2.GetImageResponse(image_id="0" * 32, versions=versions)
    assert profile_of(image, client) == profile
