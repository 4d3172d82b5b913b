"""Every limit that the proto states, by the field path that the client is told."""

import pytest

from synthvlm.caption import requests
from synthvlm.caption.v1 import caption_pb2 as pb
from synthvlm.errors import InvalidInput
from synthvlm.serving import parse
from synthvlm.storage.v1 import shard_pb2

DIGEST = f"sha256:{'a' * 64}"
STORE = shard_pb2.ShardStore(uri="file:///data")
POOL = shard_pb2.ShardRef(path="pool/1", digest=DIGEST, records=3)

MODELS = {
    pb.EvaluateCaptionsRequest: requests.EvaluateCaptions,
    pb.EvaluateFileRequest: requests.EvaluateFile,
    pb.ImportCaptionsRequest: requests.ImportCaptions,
    pb.CurateShardRequest: requests.CurateShard,
}


def captions(*texts, **fields):
    return pb.EvaluateCaptionsRequest(captions=[pb.Caption(text=t) for t in texts], **fields)


def file(**fields):
    return pb.EvaluateFileRequest(**{"file": "/c.json", **fields})


def files(**fields):
    return pb.ImportCaptionsRequest(**{"store": STORE, "files": ["/c.json"], **fields})


def laid_out(**fields):
    return files(layout=pb.FileLayout(**fields))


def shard(**fields):
    return pb.CurateShardRequest(**{"store": STORE, "pool": POOL, **fields})


@pytest.mark.parametrize(
    "request_",
    [
        captions(""),
        captions(*["x"] * 1000),
        captions("x" * 16_384, recipe_yaml="y" * 65_536),
        captions("é" * 8_192),
        pb.EvaluateCaptionsRequest(captions=[pb.Caption(id="é" * 256)]),
        file(),
        file(file="/" + "x" * 4_095, column="é" * 256, recipe_yaml="y" * 65_536),
        files(),
        files(files=["/c.json"] * 1000, shard_size=100_000, column="x"),
        files(shard_size=1, max_set_aside=0),
        files(max_set_aside=1),
        laid_out(),
        laid_out(format="parquet", id_column="", delimiter="\t", columns=["é" * 256] * 1000),
        laid_out(id_column="é" * 256, delimiter="|"),
        laid_out(format="txt", delimiter=" "),
        shard(),
        shard(recipe_yaml="y" * 65_536),
    ],
)
def test_at_the_limits(request_):
    assert parse(MODELS[type(request_)], request_)


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (captions(), "captions"),
        (captions(*["x"] * 1001), "captions"),
        (captions("x", "x" * 16_385), "captions[1].text"),
        (captions("é" * 8_193), "captions[0].text"),
        (captions("x", recipe_yaml="y" * 65_537), "recipe_yaml"),
        (pb.EvaluateCaptionsRequest(captions=[pb.Caption(id="x" * 257)]), "captions[0].id"),
        (file(file=""), "file"),
        (file(file="/" + "x" * 4_096), "file"),
        (file(column="x" * 257), "column"),
        (file(recipe_yaml="y" * 65_537), "recipe_yaml"),
        (files(store=None), "store"),
        (files(store=shard_pb2.ShardStore(uri="")), "store.uri"),
        (files(store=shard_pb2.ShardStore(uri="http://data")), "store.uri"),
        (files(files=[]), "files"),
        (files(files=["/c.json"] * 1001), "files"),
        (files(files=["/c.json", ""]), "files[1]"),
        (files(column="x" * 257), "column"),
        (files(shard_size=-1), "shard_size"),
        (files(shard_size=100_001), "shard_size"),
        (files(max_set_aside=-0.1), "max_set_aside"),
        (files(max_set_aside=1.1), "max_set_aside"),
        (files(max_set_aside=float("nan")), "max_set_aside"),
        (laid_out(format="xml"), "layout.format"),
        (laid_out(id_column="x" * 257), "layout.id_column"),
        (laid_out(delimiter="||"), "layout.delimiter"),
        *((laid_out(delimiter=mark), "layout.delimiter") for mark in 'a1"\n\r\0é'),
        (laid_out(columns=["x"] * 1001), "layout.columns"),
        (laid_out(columns=["x", "x" * 257]), "layout.columns[1]"),
        (shard(store=None), "store"),
        (shard(pool=None), "pool"),
        (shard(pool=shard_pb2.ShardRef(path="../x", digest=DIGEST)), "pool.path"),
        (shard(pool=shard_pb2.ShardRef(path="pool/1", digest="x")), "pool.digest"),
        (shard(pool=shard_pb2.ShardRef(path="p", digest=DIGEST, records=-1)), "pool.records"),
        (shard(recipe_yaml="y" * 65_537), "recipe_yaml"),
    ],
)
def test_beyond_a_limit(request_, path):
    with pytest.raises(InvalidInput) as raised:
        parse(MODELS[type(request_)], request_)
    assert [violation.field for violation in raised.value.violations] == [path]
