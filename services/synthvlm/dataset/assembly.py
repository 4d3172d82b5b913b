"""A Selection becomes a dataset version: WebDataset tar shards, their index, and LLaVA's JSON.

Pairs are ordered by image id. An id is a hash, so every tar is a random sample of the dataset, and
the index can be searched by id without reading all of it. Each finished tar is uploaded and its
rows are kept as a part of the commit: a run after a crash continues with the first missing tar, and
writes the same bytes.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from synthvlm.dataset.columns import combine_columns
from synthvlm.dataset.exports.reserved import RESERVED, ExportFormat, Guard, ReservedRule
from synthvlm.dataset.pairs import extension, image_path, tar_name
from synthvlm.dataset.prompts import llava_record
from synthvlm.dataset.readahead import read_ahead
from synthvlm.dataset.reviewed import Reviewed, read_reviewed
from synthvlm.errors import DataCorrupt, FieldViolation, InvalidInput, NotFound, PreconditionFailed
from synthvlm.progress import Reporter
from synthvlm.storage import (
    Commit,
    FileEntry,
    Manifest,
    Shard,
    ShardKey,
    ShardRef,
    Store,
    canonical_json,
    file_digest,
    open_shard,
    verified_image,
)
from synthvlm.storage.schemas import (
    CHAINS,
    CHAINS_FILE,
    IMAGES_TAR,
    LLAVA_FILE,
    PAIRS,
    PAIRS_FILE,
    REJECTED,
    REJECTED_FILE,
    SELECTION,
    SELECTION_FILE,
)
from synthvlm.storage.tables import TableFile, table_bytes
from synthvlm.storage.tar import TarFile

KIND = "dataset"
CODE_VERSION = 2
"""Raised whenever this code gives another version for the same selection."""

_METADATA = [name for name in PAIRS.names if name not in ("shard", "file", "offset", "size")]
_CHUNK_ROWS = 1024


@dataclass(frozen=True)
class AssemblyRequest:
    """What to publish.

    Attributes:
        name: Name of the dataset.
        shard_size: Pairs per output tar.
        configuration: The run's configuration; part of the version's identity.
        review_set: What people said of the selection's pairs: those that they rejected are left
            out. None: nobody was asked.
    """

    selection: ShardRef
    name: str
    shard_size: int
    configuration: Mapping[str, Any] = field(default_factory=dict)
    review_set: ShardRef | None = None


@dataclass(frozen=True)
class Assembled:
    """A committed dataset version, not yet in any catalogue.

    Attributes:
        ref: The shard; its digest is the version's identity.
        bytes: Total size of its files.
    """

    ref: ShardRef
    bytes: int


def assemble(store: Store, request: AssemblyRequest, reporter: Reporter) -> Assembled:
    """Commits a dataset version, or finds it committed.

    Args:
        store: Where shards are read and the version is written.
        request: What to publish.
        reporter: Called with the pairs written so far.

    Raises:
        InvalidInput: A reference is not to a Selection, or not to a ReviewSet of its images.
        PreconditionFailed: The Selection is empty, or people rejected all of it.
        NotFound: The Selection, or an ImageSet that it needs, does not exist.
        DataCorrupt: Stored bytes are damaged.
        OperationCancelled: The caller has gone; finished tars stay.
    """
    commit = Commit(store, _key(request))
    if ref := commit.find():
        reporter.report(ref.records, ref.records, resumed=ref.records)
        return _assembled(ref, open_shard(store, ref).manifest)
    selection = open_shard(store, request.selection)
    _require_selection(selection)
    with tempfile.TemporaryDirectory(prefix="synthvlm-dataset-") as folder:
        ref = _Assembly(commit, selection, request, reporter, Path(folder)).run()
    return _assembled(ref, open_shard(store, ref).manifest)


class _Assembly:
    """One attempt at one version."""

    def __init__(
        self,
        commit: Commit,
        selection: Shard,
        request: AssemblyRequest,
        reporter: Reporter,
        folder: Path,
    ) -> None:
        self._commit = commit
        self._store = commit.store
        self._selection = selection
        self._request = request
        self._reporter = reporter
        self._folder = folder
        self._pairs = combine_columns([selection.table(SELECTION_FILE, SELECTION)])
        self._reviewed = Reviewed()
        if request.review_set is not None:
            self._reviewed = read_reviewed(
                commit.store, request.review_set, request.selection, self._pairs["image_id"]
            )
        self._total = selection.manifest.records - self._reviewed.rejected.num_rows
        self._done = 0
        self._resumed = 0

    def run(self) -> ShardRef:
        """Writes all files and the manifest."""
        run_index = self._index()
        generations = _generations(run_index)
        guard = Guard(RESERVED[ExportFormat.LLAVA], ReservedRule.DROP)
        self._reporter.report(0, self._total)
        pairs, llava = self._folder / PAIRS_FILE, self._folder / LLAVA_FILE
        files: dict[str, bytes | Path | FileEntry] = {PAIRS_FILE: pairs, LLAVA_FILE: llava}
        with TableFile(pairs, PAIRS) as table_file, llava.open("w", encoding="utf-8") as text:
            separator = "["
            for number, rows in enumerate(self._cut()):
                entry, table = self._tar(number, rows, generations)
                files[entry.name] = entry
                table_file.write(table)
                for record in _llava_records(table, guard):
                    text.write(f"{separator}\n{json.dumps(record, ensure_ascii=False)}")
                    separator = ","
            text.write("[\n]\n" if separator == "[" else "\n]\n")
        selected = self._selection.manifest
        counts = {**selected.counts, "pairs": self._total}
        file_records = {PAIRS_FILE: self._total, LLAVA_FILE: self._total - guard.set_aside}
        details = {
            "selection_rule": selected.configuration,
            "stages": run_index.manifest.details["stages"],
        }
        if self._reviewed.lineage:
            rejected = self._reviewed.rejected
            files[REJECTED_FILE] = table_bytes(rejected, REJECTED)
            counts["rejected"] = file_records[REJECTED_FILE] = rejected.num_rows
            details["review"] = self._reviewed.lineage
        return self._commit.finish(
            files=files,
            records=self._total,
            counts=counts,
            file_records=file_records,
            details=details,
        )

    def _index(self) -> Shard:
        """The index of the selection's run."""
        place = self._selection.manifest.details["index"]
        digest = self._selection.manifest.inputs["index"]
        return open_shard(self._store, ShardRef(place["path"], digest, place["records"]))

    def _cut(self) -> Iterator[pa.Table]:
        """The selection's rows by image id, in tables of one output tar each."""
        columns = self._pairs
        order = pc.sort_indices(columns["image_id"])
        rejected = self._reviewed.rejected["image_id"].combine_chunks()
        order = order.filter(
            pc.invert(pc.is_in(columns["image_id"].take(order), value_set=rejected))
        )
        for start in range(0, len(order), self._request.shard_size):
            wanted = order.slice(start, self._request.shard_size)
            yield pa.table({name: column.take(wanted) for name, column in columns.items()})

    def _tar(
        self, number: int, rows: pa.Table, generations: Mapping[str, str]
    ) -> tuple[FileEntry, pa.Table]:
        """Makes an output tar, or finds it made; returns its entry and its rows of ``PAIRS``."""
        part = self._commit.read_part(number)
        made = None if part is None else self._read_part(part)
        if made is None:
            made = self._make_tar(number, rows, generations)
        else:
            self._done += rows.num_rows
            self._resumed += rows.num_rows
            self._reporter.report(self._done, self._total, self._resumed)
        return made

    def _read_part(self, part: bytes) -> tuple[FileEntry, pa.Table] | None:
        """Reads a part that an earlier attempt kept; None if its tar is missing."""
        header, _, table = part.partition(b"\n")
        entry = FileEntry.model_validate_json(header)
        try:
            if self._store.size(f"{self._commit.path}/{entry.name}") != entry.size:
                return None
        except NotFound:
            return None
        return entry, pa.ipc.open_stream(table).read_all()

    def _make_tar(
        self, number: int, rows: pa.Table, generations: Mapping[str, str]
    ) -> tuple[FileEntry, pa.Table]:
        name = tar_name(number)
        path = self._folder / name
        made: list[dict[str, Any]] = []
        with (
            TarFile(path) as tar,
            read_ahead(self._read_image, _dictionaries(rows)) as images,
        ):
            for row, image in images:
                generation = generations[row["image_set_digest"]]
                made.append(_add_pair(tar, name, {**row, "generation": generation}, image))
                self._done += 1
                self._reporter.report(self._done, self._total, self._resumed)
        entry = FileEntry(
            name=name, sha256=file_digest(path), size=path.stat().st_size, records=len(made)
        )
        self._store.upload(f"{self._commit.path}/{name}", path)
        path.unlink()
        table = pa.Table.from_pylist(made, PAIRS)
        self._commit.write_part(number, canonical_json(entry.model_dump()) + b"\n" + _stream(table))
        return entry, table

    def _read_image(self, row: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        return row, verified_image(self._store, f"{row['image_set']}/{IMAGES_TAR}", row)


def _key(request: AssemblyRequest) -> ShardKey:
    inputs = {"selection": request.selection.digest}
    if request.review_set is not None:
        inputs["review_set"] = request.review_set.digest
    return ShardKey(
        kind=KIND,
        inputs=inputs,
        configuration={
            "name": request.name,
            "shard_size": request.shard_size,
            "run": dict(request.configuration),
        },
        code_version=CODE_VERSION,
    )


def _require_selection(selection: Shard) -> None:
    kind = selection.manifest.kind
    if kind != "selection":
        problem = f"is a shard of {kind}, not a selection"
        raise InvalidInput(f"selection {problem}", [FieldViolation("selection", problem)])
    if not selection.manifest.records:
        raise PreconditionFailed(
            "the selection is empty, so there is nothing to publish: no caption was kept that has "
            "an image with usable scores"
        )


def _assembled(ref: ShardRef, manifest: Manifest) -> Assembled:
    return Assembled(ref, sum(entry.size for entry in manifest.files))


def _generations(run_index: Shard) -> dict[str, str]:
    """Digest of the generation's configuration by digest of the ImageSet."""
    chains = run_index.table(CHAINS_FILE, CHAINS)
    digests, generations = chains["image_set_digest"], chains["generation"]
    return dict(zip(digests.to_pylist(), generations.to_pylist(), strict=True))


def _dictionaries(rows: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in rows.to_batches(max_chunksize=_CHUNK_ROWS):
        yield from batch.to_pylist()


def _add_pair(tar: TarFile, shard: str, row: dict[str, Any], image: bytes) -> dict[str, Any]:
    """Appends a pair's three members; returns its row of ``PAIRS``."""
    key = row["image_id"]
    if "." in key or "/" in key:
        raise DataCorrupt(f"image id {key} is not a valid WebDataset key: it has a dot or a slash")
    file = f"{key}.{extension(row)}"
    offset, size = tar.add(file, image)
    tar.add(f"{key}.json", canonical_json({name: row[name] for name in _METADATA}))
    tar.add(f"{key}.txt", row["text"].encode())
    return {**row, "shard": shard, "file": file, "offset": offset, "size": size}


def _llava_records(table: pa.Table, guard: Guard) -> Iterator[dict[str, object]]:
    for row in _dictionaries(table):
        text = guard.passed(row["text"])
        if text is not None:
            yield llava_record(row["image_id"], image_path(row), text)


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, PAIRS) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
