"""Shard references and counts as protos, and back."""

from collections.abc import Iterable, Mapping

from synthvlm.storage.refs import ShardRef
from synthvlm.storage.v1 import shard_pb2


def ref_to_proto(ref: ShardRef) -> shard_pb2.ShardRef:
    """The proto of a reference."""
    return shard_pb2.ShardRef(path=ref.path, digest=ref.digest, records=ref.records)


def ref_from_proto(proto: shard_pb2.ShardRef) -> ShardRef:
    """The reference in a (validated) proto."""
    return ShardRef(proto.path, proto.digest, proto.records)


def drop_counts(counts: Mapping[str, int]) -> list[shard_pb2.DropCount]:
    """Counts by rule, in the mapping's order; rules that dropped nothing are omitted."""
    return [shard_pb2.DropCount(rule=rule, records=n) for rule, n in counts.items() if n]


def counts_by_rule(protos: Iterable[shard_pb2.DropCount]) -> dict[str, int]:
    """The counts that ``drop_counts`` encoded."""
    return {proto.rule: proto.records for proto in protos}
