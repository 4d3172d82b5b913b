"""Filling the index again from what stores hold: for one that was lost, or was not used before."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import structlog

from synthvlm.errors import DataCorrupt, DomainError, InvalidInput
from synthvlm.reuse.index import open_index
from synthvlm.serving import Service
from synthvlm.serving.lifecycle import FAILURE_EXIT, USAGE_EXIT
from synthvlm.serving.logs import configure_logs
from synthvlm.serving.settings_sources import load_settings, read_command_line
from synthvlm.sql.database import Database
from synthvlm.storage import Shard, Store, committed_shards, open_shard, open_store, parse_location
from synthvlm.storage.commit import PARTS
from synthvlm.storage.keys import SCHEMA_VERSION
from synthvlm.storage.made import Made, MadeIndex
from synthvlm.storage.parts import read_part

_log = structlog.get_logger(__name__)

Records = Callable[[Shard, Sequence[Shard]], Iterator[Mapping[bytes, Made]]]
"""The records of a committed shard, given the shards that it was made from."""


def reindex(
    index: MadeIndex, store: Store, kind: str, inputs: Sequence[str], records: Records
) -> int:
    """Enters all records of one kind that a store holds, those of unfinished shards too.

    A shard that is damaged, or whose inputs are gone, is left out with a warning.

    Args:
        index: Where they are entered.
        store: The store.
        kind: Kind of the shards.
        inputs: Kinds of the shards that they were made from, which are their roles too.
        records: The records of a shard.

    Returns:
        Records entered.
    """
    entered = 0
    for path, size in store.sizes(kind).items():
        if f"/{PARTS}/" in path:
            made = read_part(store, path, size)
            index.enter(made)
            entered += len(made)
    refs = {ref.digest: ref for role in inputs for ref, _ in committed_shards(store, role)}
    for ref, manifest in committed_shards(store, kind):
        if manifest.schema_version != SCHEMA_VERSION:
            continue
        try:
            sources = [open_shard(store, refs[manifest.inputs[role]]) for role in inputs]
            for batch in records(open_shard(store, ref), sources):
                index.enter(batch)
                entered += len(batch)
        except (DataCorrupt, KeyError) as error:
            _log.warning("shard_not_indexed", path=ref.path, problem=str(error))
    return entered


def run(
    service: Service[Any],
    arguments: Sequence[str],
    kind: Callable[[Database], MadeIndex],
    fill: Callable[[MadeIndex, Store], int],
) -> int:
    """The command that fills a service's index from every root of its ``store_roots``.

    Args:
        service: The service; its settings have a section ``reuse``.
        arguments: The command line: settings of the service.
        kind: ``ImageIndex`` or ``ScoreIndex``.
        fill: Enters what a store holds; how many records that were.

    Returns:
        The exit status.
    """
    module = f"synthvlm.{service.word}.reindex"
    line = read_command_line(service.settings, service.word, arguments, module)
    try:
        settings = load_settings(
            service.settings, service.word, command_line=line.values, config=line.config
        )
        if settings.reuse.database is None:
            raise InvalidInput("reuse.database is not set: there is no index to fill")
        configure_logs(settings, service.word)
        with closing(open_index(kind, settings.reuse)) as index:
            for root in settings.store_roots:
                sys.stdout.write(
                    f"{root}: {fill(index, open_store(parse_location(root)))} entered\n"
                )
    except DomainError as error:
        sys.stderr.write(f"{error.message}\n")
        return USAGE_EXIT if isinstance(error, InvalidInput) else FAILURE_EXIT
    return 0
