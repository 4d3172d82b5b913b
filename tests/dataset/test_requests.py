"""Every limit that the proto states, by the field that is named when it is passed."""

import json
import re

import pytest

from synthvlm.dataset import requests
from synthvlm.dataset.v1 import dataset_pb2 as pb
from synthvlm.dataset.versions import Reference
from synthvlm.errors import InvalidInput
from synthvlm.serving import parse
from synthvlm.storage import ShardRef
from synthvlm.storage.v1 import shard_pb2

DIGEST = "sha256:" + "0" * 64
STORE = shard_pb2.ShardStore(uri="file:///store")
REF = shard_pb2.ShardRef(path="selection/1", digest=DIGEST, records=3)
CHAIN = pb.ShardChain(caption_set=REF, image_set=REF, score_set=REF)


def strata(column="", quantiles=0, clusters=0):
    within = pb.Strata(column=column, quantiles=quantiles, clusters=clusters)
    return pb.SelectionRule(top_k=1, strata=within)


def select(**changes):
    values = {"store": STORE, "shards": [CHAIN], "rule": pb.SelectionRule(top_k=1)}
    return requests.Select, pb.SelectRequest(**{**values, **changes})


def assemble(**changes):
    values = {"store": STORE, "selection": REF, "name": "shapes"}
    return requests.Assemble, pb.AssembleRequest(**{**values, **changes})


def list_versions(**values):
    return requests.ListVersions, pb.ListVersionsRequest(**values)


def get_version(version):
    return requests.GetVersion, pb.GetVersionRequest(version=version)


def diff(**values):
    return requests.DiffVersions, pb.DiffVersionsRequest(**values)


def get_image(image_id):
    return requests.GetImage, pb.GetImageRequest(image_id=image_id)


def export(**changes):
    values = {"version": "a", "format": 1, "destination_uri": "file:///x"}
    return requests.ExportVersion, pb.ExportVersionRequest(**{**values, **changes})


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (select(store=None), "store"),
        (select(store=shard_pb2.ShardStore(uri="/store")), "store.uri"),
        (select(shards=[]), "shards"),
        (select(shards=[CHAIN] * 10_001), "shards"),
        (
            select(shards=[CHAIN, pb.ShardChain(image_set=REF, score_set=REF)]),
            "shards[1].caption_set",
        ),
        (
            select(
                shards=[
                    pb.ShardChain(
                        caption_set=REF,
                        image_set=REF,
                        score_set=shard_pb2.ShardRef(path="../x", digest=DIGEST),
                    )
                ]
            ),
            "shards[0].score_set.path",
        ),
        (select(rule=None), "rule"),
        (select(rule=pb.SelectionRule()), "rule"),
        (select(rule=pb.SelectionRule(top_k=0)), "rule.top_k"),
        (select(rule=pb.SelectionRule(top_k=-5)), "rule.top_k"),
        (select(rule=pb.SelectionRule(top_fraction=0)), "rule.top_fraction"),
        (select(rule=pb.SelectionRule(top_fraction=1.01)), "rule.top_fraction"),
        (select(rule=pb.SelectionRule(top_fraction=float("nan"))), "rule.top_fraction"),
        (select(rule=pb.SelectionRule(top_k=1, strata={})), "rule.strata.column"),
        (select(rule=strata("x" * 65, 0)), "rule.strata.column"),
        (select(rule=strata("words", 1)), "rule.strata.quantiles"),
        (select(rule=strata("words", 1001)), "rule.strata.quantiles"),
        (select(rule=strata("words", -2)), "rule.strata.quantiles"),
        (select(rule=strata(clusters=1)), "rule.strata.clusters"),
        (select(rule=strata(clusters=101)), "rule.strata.clusters"),
        (select(rule=strata(clusters=-2)), "rule.strata.clusters"),
        (select(rule=strata("words", clusters=4)), "rule.strata.clusters"),
        (select(rule=strata(quantiles=4, clusters=4)), "rule.strata.quantiles"),
        (assemble(selection=None), "selection"),
        (assemble(selection=shard_pb2.ShardRef(path="a", digest="sha256:1")), "selection.digest"),
        (assemble(name=""), "name"),
        (assemble(name="a" * 65), "name"),
        (assemble(name="Shapes"), "name"),
        (assemble(name="-shapes"), "name"),
        (assemble(name="shapes\n"), "name"),
        (assemble(shard_size=-1), "shard_size"),
        (assemble(shard_size=100_001), "shard_size"),
        (assemble(configuration_json="{"), "configuration_json"),
        (assemble(configuration_json="[1]"), "configuration_json"),
        (assemble(configuration_json='{"a": NaN}'), "configuration_json"),
        (assemble(configuration_json='{"a": 1e999}'), "configuration_json"),
        (assemble(configuration_json='{"a": "\\ud800"}'), "configuration_json"),
        (assemble(configuration_json='{"a":' * 50_000 + "1"), "configuration_json"),
        (assemble(configuration_json=json.dumps({"a": "é" * 140_000})), "configuration_json"),
        (assemble(request_id="a b"), "request_id"),
        (assemble(request_id="a" * 65), "request_id"),
        (list_versions(name="A"), "name"),
        (list_versions(page_size=-1), "page_size"),
        (list_versions(page_size=1001), "page_size"),
        (list_versions(page_token="a" * 2000), "page_token"),
        (get_version(""), "version"),
        (get_version("a@0"), "version"),
        (get_version("a@sha256:1234567"), "version"),
        (diff(**{"from": "a"}), "to"),
        (diff(**{"from": "a@x", "to": "a"}), "from"),
        (get_image(""), "image_id"),
        (get_image("1234567"), "image_id"),
        (get_image("a" * 129), "image_id"),
        (get_image("../../../etc"), "image_id"),
        (export(version=""), "version"),
        (export(format=0), "format"),
        (export(format=9), "format"),
        (export(destination_uri=""), "destination_uri"),
        (export(destination_uri="/tmp/x"), "destination_uri"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_field_is_named(message, field):
    with pytest.raises(InvalidInput) as raised:
        parse(*message)
    assert [one.field for one in raised.value.violations] == [field]
    assert raised.value.violations[0].description
    assert len(str(raised.value)) < 500


def test_a_complete_request_is_understood():
    parsed = parse(*select(rule=pb.SelectionRule(top_fraction=0.1)))
    (chain,) = [message.chain() for message in parsed.shards]
    assert chain.score_set == ShardRef("selection/1", DIGEST, 3)
    assert parsed.rule.rule().to_json() == {"top_fraction": 0.1}
    within = parse(*select(rule=strata("words", 4))).rule.rule()
    assert within.to_json() == {"top_k": 1, "strata": {"column": "words", "quantiles": 4}}
    clusters = parse(*select(rule=strata(clusters=16))).rule.rule()
    assert clusters.to_json() == {"top_k": 1, "strata": {"clusters": 16}}
    parsed = parse(*assemble(configuration_json='{"b": [1, 2.5, null], "a": "ü"}'))
    assert parsed.configuration_json == {"a": "ü", "b": [1, 2.5, None]}
    assert parse(*assemble()).configuration_json == {}
    assert parse(*assemble(configuration_json=json.dumps({"a": "x" * 200_000})))
    assert parse(*get_version("a@2")).version == Reference("a", 2)
    assert parse(*diff(**{"from": "a@1", "to": "a"})).older == Reference("a", 1)
    forms = [parse(*export(format=number)).form for number in (1, 2, 3)]
    assert forms == ["webdataset", "llava", "parquet"]


def test_messages_do_not_repeat_large_input():
    with pytest.raises(InvalidInput) as raised:
        parse(*assemble(configuration_json="x" * 200_000))
    assert re.match("configuration_json must be JSON", str(raised.value))
    assert len(str(raised.value)) < 200
