"""Versions to export, and exports of them."""

from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.exports.reserved import ReservedRule
from synthvlm.dataset.exports.run import Exported
from synthvlm.dataset.exports.run import export_version as export_with_rule
from synthvlm.dataset.selection import select
from synthvlm.progress import SILENT
from synthvlm.storage import open_shard
from tests.dataset.shards import run_of


def export_version(version, form, target, reporter, rule=ReservedRule.DROP) -> list[str]:
    return exported(version, form, target, reporter, rule).files


def exported(version, form, target, reporter=SILENT, rule=ReservedRule.DROP) -> Exported:
    return export_with_rule(version, form, rule, target, reporter)


def version_of(store, top_k=9, captions=20, shard_size=4):
    chains = run_of(store, captions=captions)
    selection = select(store, chains, SelectionRule(top_k=top_k), SILENT).ref
    wanted = AssemblyRequest(selection, "shapes", shard_size, {"seed": 1})
    return open_shard(store, assemble(store, wanted, SILENT).ref)


def contents(store):
    return {path: store.read(path) for path in store.list("")}
