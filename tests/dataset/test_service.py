"""The service through gRPC, with its real catalogue and stores."""

import base64
import hashlib
import json
import subprocess
import sys

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from synthvlm.dataset.config import DatasetSettings
from synthvlm.dataset.service import SERVICE
from synthvlm.dataset.v1 import dataset_pb2 as pb
from synthvlm.dataset.v1 import dataset_pb2_grpc
from synthvlm.serving.testing import running
from synthvlm.storage import file_uri, open_store, parse_location
from synthvlm.storage.digests import unsealed
from synthvlm.storage.protos import ref_to_proto
from synthvlm.storage.v1 import shard_pb2
from tests.dataset.shards import image_id, picture, run_of


@pytest.fixture
async def stub(tmp_path):
    settings = DatasetSettings(
        database=f"sqlite:///{tmp_path}/catalogue.sqlite",
        store_roots=[file_uri(tmp_path / "store")],
        export_roots=[file_uri(tmp_path / "exports")],
        git_revision="0123abc",
    )
    async with running(SERVICE, settings) as channel:
        yield dataset_pb2_grpc.DatasetServiceStub(channel)


@pytest.fixture
def chains(store):
    return [
        pb.ShardChain(
            caption_set=ref_to_proto(chain.caption_set),
            image_set=ref_to_proto(chain.image_set),
            score_set=ref_to_proto(chain.score_set),
        )
        for chain in run_of(store)
    ]


async def last(call):
    """The last message of a stream, after messages of progress alone."""
    messages = [message async for message in call]
    progress = [message.progress.done for message in messages]
    assert progress == sorted(progress)
    return messages[-1]


async def published(stub, store, chains, top_k=5, **changes):
    where = shard_pb2.ShardStore(uri=store.uri)
    rule = pb.SelectionRule(top_k=top_k)
    selected = await last(stub.Select(pb.SelectRequest(store=where, shards=chains, rule=rule)))
    request = pb.AssembleRequest(
        store=where,
        selection=selected.result.selection,
        name="shapes",
        request_id=f"request-{top_k}",
    )
    for name, value in changes.items():
        setattr(request, name, value)
    answer = await last(stub.Assemble(request))
    assert (answer.progress.done, answer.progress.total) == (top_k, top_k)
    return selected.result, answer.version


async def violation_of(call):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await (last(call) if hasattr(call, "__aiter__") else call)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    found = error_details_pb2.BadRequest()
    (status,) = (
        status_pb2.Status.FromString(value)
        for key, value in raised.value.trailing_metadata()
        if key == "grpc-status-details-bin"
    )
    assert [detail.Unpack(found) for detail in status.details].count(True) == 1
    return [violation.field for violation in found.field_violations], raised.value.details()


async def test_from_scores_to_a_version(stub, store, chains):
    selected, version = await published(stub, store, chains)
    assert (selected.scored, selected.captions, selected.selected) == (40, 20, 5)
    assert selected.selection.records == 5
    assert (version.name, version.version, version.pairs) == ("shapes", 1, 5)
    assert version.store_uri == store.uri
    assert version.create_time_seconds > 1_600_000_000
    files = [path for path in store.list(version.path) if not path.endswith("nce.json")]
    manifest = f"{version.path}/manifest.json"
    assert version.bytes == sum(store.size(path) for path in files if path != manifest)

    answer = await stub.GetVersion(pb.GetVersionRequest(version="shapes"))
    assert answer.summary == version
    digest = hashlib.sha256(answer.manifest_json.encode()).hexdigest()
    assert version.digest == f"sha256:{digest}"
    assert json.loads(answer.provenance_json) == {
        "number": 1,
        "parent": None,
        "create_time": version.create_time_seconds,
        "git_revision": "0123abc",
        "software_version": "0.1.0",
    }
    assert unsealed(store.read(f"{version.path}/provenance.json")) == json.loads(
        answer.provenance_json
    )


async def test_the_same_again_is_the_same_version(stub, store, chains):
    first = await published(stub, store, chains)
    assert await published(stub, store, list(reversed(chains))) == first
    listed = await stub.ListVersions(pb.ListVersionsRequest())
    assert list(listed.versions) == [first[1]]


async def test_versions_are_listed_page_by_page(stub, store, chains):
    made = [(await published(stub, store, chains, top_k))[1] for top_k in (1, 2, 3, 4, 5)]
    seen, token = [], ""
    while True:
        page = await stub.ListVersions(
            pb.ListVersionsRequest(name="shapes", page_size=2, page_token=token)
        )
        seen += page.versions
        token = page.next_page_token
        if not token:
            break
    assert seen == list(reversed(made))
    first = await stub.ListVersions(pb.ListVersionsRequest(name="shapes", page_size=2))
    assert await violation_of(
        stub.ListVersions(pb.ListVersionsRequest(page_token=first.next_page_token))
    ) == (
        ["page_token"],
        "page_token belongs to a list with a different filter; repeat the original filter",
    )
    none = await stub.ListVersions(pb.ListVersionsRequest(name="nothing"))
    assert not none.versions


async def test_two_versions_are_compared(stub, store, chains):
    one = (await published(stub, store, chains, 4, configuration_json='{"seed": 1}'))[1]
    two = (await published(stub, store, chains, 6, configuration_json='{"seed": 2}'))[1]
    difference = await stub.DiffVersions(
        pb.DiffVersionsRequest(**{"from": "shapes@1", "to": f"shapes@{two.digest[:19]}"})
    )
    assert getattr(difference, "from") == one
    assert difference.to == two
    assert (difference.added, difference.removed, difference.unchanged) == (2, 0, 4)
    assert len(difference.added_image_ids) == 2
    assert [(one.key, one.from_json, one.to_json) for one in difference.configuration] == [
        ("dataset.selection_rule.top_k", "4", "6"),
        ("run.seed", "1", "2"),
    ]
    mix = difference.mix
    assert (mix.from_mean_words, mix.to_mean_words) == (5, 5)
    assert [(one.name, one.from_share, one.to_share) for one in mix.lengths] == [("0 to 5", 1, 1)]
    assert not mix.things
    assert any(one.from_share != one.to_share for one in mix.words)
    assert sum(one.from_share for one in mix.clusters) == pytest.approx(1)
    assert sum(one.to_share for one in mix.clusters) == pytest.approx(1)


async def test_an_image_is_shown(stub, store, chains):
    await published(stub, store, chains, 20)
    text = "caption 3 of shard 1"
    answers = [
        await stub.GetImage(
            pb.GetImageRequest(image_id=image_id(text, repeat)[:10], include_image=True)
        )
        for repeat in (0, 1)
    ]
    for repeat, answer in enumerate(answers):
        assert answer.image_id == image_id(text, repeat)
        assert (answer.caption, answer.repeat, answer.media_type) == (text, repeat, "image/jpeg")
        assert answer.image == picture(text, repeat)
        assert answer.digest == f"sha256:{hashlib.sha256(answer.image).hexdigest()}"
        assert set(answer.scores) == {"clip_score", "ssim_score", "weighted_score"}
        assert json.loads(answer.generation_json)["configuration"]["sampling"] == {"steps": 20}
    assert sorted(list(answer.versions) for answer in answers) == [[], ["shapes@1"]]
    bare = await stub.GetImage(pb.GetImageRequest(image_id=image_id(text, 0)))
    assert bare.image == b""


async def test_a_version_is_exported_where_that_is_allowed(stub, store, chains, tmp_path):
    await published(stub, store, chains)
    for form in ("WEBDATASET", "LLAVA", "PARQUET"):
        uri = f"{file_uri(tmp_path)}/exports/{form.lower()}"
        request = pb.ExportVersionRequest(
            version="shapes", format=f"EXPORT_FORMAT_{form}", destination_uri=uri
        )
        answer = await last(stub.ExportVersion(request))
        assert (answer.progress.done, answer.progress.total) == (5, 5)
        target = open_store(parse_location(uri))
        listed = set(target.list(""))
        for file in answer.files:
            assert file in listed or any(path.startswith(file) for path in listed)
    for uri in (store.uri, file_uri(tmp_path), f"{file_uri(tmp_path)}/exports/../store"):
        request = pb.ExportVersionRequest(
            version="shapes", format="EXPORT_FORMAT_LLAVA", destination_uri=uri
        )
        assert (await violation_of(stub.ExportVersion(request)))[0] == ["destination_uri"]


@pytest.mark.parametrize(
    "below",
    ["other", "store/%2e%2e/other", "store/.\t./other", "store/../other", "store/x?", "stored"],
)
async def test_stores_outside_the_roots_are_refused(stub, chains, tmp_path, below):
    request = pb.SelectRequest(
        store=shard_pb2.ShardStore(uri=f"file://{tmp_path}/{below}"),
        shards=chains,
        rule=pb.SelectionRule(top_k=1),
    )
    assert (await violation_of(stub.Select(request)))[0] == ["store.uri"]


async def test_what_does_not_belong_together_is_named(stub, store, chains):
    chains[1].image_set.CopyFrom(chains[0].image_set)
    request = pb.SelectRequest(
        store=shard_pb2.ShardStore(uri=store.uri),
        shards=chains,
        rule=pb.SelectionRule(top_k=1),
    )
    fields, message = await violation_of(stub.Select(request))
    assert fields == ["shards[1].image_set", "shards[1].score_set"]
    assert message == "shards[1].image_set was not made from this chain's caption_set"


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("GetVersion", pb.GetVersionRequest(version="nothing")),
        ("DiffVersions", pb.DiffVersionsRequest(**{"from": "nothing", "to": "nothing"})),
        ("GetImage", pb.GetImageRequest(image_id="0" * 32)),
    ],
)
async def test_what_is_not_there_is_not_found(stub, method, request_):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await getattr(stub, method)(request_)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("module", ["synthvlm.dataset", "synthvlm.dataset.reindex"])
def test_a_garbage_catalogue_is_named_in_one_line(module, tmp_path):
    """The reproduction: it gave SQLAlchemy's traceback."""
    (tmp_path / "catalogue.sqlite").write_bytes(b"garbage" * 1000)
    done = subprocess.run(
        [
            *(sys.executable, "-m", module, "--store-roots", file_uri(tmp_path / "store")),
            *("--database", f"sqlite:///{tmp_path}/catalogue.sqlite"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = [one for one in done.stderr.splitlines() if "the database is damaged" in one]
    assert f"{tmp_path}/catalogue.sqlite" in line
    assert "synthvlm.dataset.reindex" in line


@pytest.mark.parametrize("token", [[], {}, None, "x", [[], 1], ["", None], ["", 2**63], ["", 0]])
async def test_a_forged_page_token_is_refused(stub, token):
    content = json.dumps(token).encode()
    check = hashlib.sha256(b"ListVersions" + content).digest()[:8]
    forged = base64.urlsafe_b64encode(check + content).decode().rstrip("=")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.ListVersions(pb.ListVersionsRequest(page_token=forged))
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_lost_catalogue_is_rebuilt_by_a_command(stub, store, chains, tmp_path):
    versions = [(await published(stub, store, chains, top_k))[1] for top_k in (2, 3)]
    settings = DatasetSettings(
        database=f"sqlite:///{tmp_path}/rebuilt.sqlite", store_roots=[store.uri]
    )
    command = [sys.executable, "-m", "synthvlm.dataset.reindex", "--database", settings.database]
    done = subprocess.run(
        [*command, "--store-roots", store.uri], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {store.uri: {"versions": 2, "indexes": 1}}
    async with running(SERVICE, settings) as channel:
        rebuilt = dataset_pb2_grpc.DatasetServiceStub(channel)
        listed = await rebuilt.ListVersions(pb.ListVersionsRequest())
        assert list(listed.versions) == list(reversed(versions))
        found = await rebuilt.GetImage(
            pb.GetImageRequest(image_id=image_id("caption 0 of shard 0", 1))
        )
        assert found.caption == "caption 0 of shard 0"
