"""Translates the protos of the dataset service to the domain and back."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import structlog

from synthvlm.caption_clusters.shifts import cluster_shifts
from synthvlm.caption_mix import CaptionMix, Shift, length_shifts, thing_shifts, word_shifts
from synthvlm.dataset import requests
from synthvlm.dataset.assembly import AssemblyRequest, assemble
from synthvlm.dataset.catalogue import Catalogue, Entry
from synthvlm.dataset.config import DatasetSettings
from synthvlm.dataset.diff import WORDS_LISTED, Difference, compare
from synthvlm.dataset.exports.run import export_version
from synthvlm.dataset.images import FoundImage, find_image
from synthvlm.dataset.provenance import Maker
from synthvlm.dataset.publication import publish
from synthvlm.dataset.selection import select
from synthvlm.dataset.v1 import dataset_pb2, dataset_pb2_grpc
from synthvlm.dataset.versions import Stores, find_version
from synthvlm.errors import FieldViolation, InvalidInput
from synthvlm.progress import Reporter
from synthvlm.serving import offload, stream, validated
from synthvlm.sql.page_tokens import PageTokens
from synthvlm.storage import Location, Store
from synthvlm.storage.protos import ref_to_proto

Context = grpc.aio.ServicerContext[Any, Any]

_PAGE_SIZE = 100
_VERSION_PAGES = PageTokens("ListVersions")
_log = structlog.get_logger(__name__)


class DatasetServicer(dataset_pb2_grpc.DatasetServiceServicer):
    """Serves one catalogue; ``maker`` is recorded in the provenance of new versions."""

    def __init__(self, settings: DatasetSettings, catalogue: Catalogue, maker: Maker) -> None:
        self.catalogue = catalogue
        self._settings = settings
        self._maker = maker
        self._stores = Stores(settings.store_roots)
        self._exports = Stores(settings.export_roots)

    async def Select(
        self, request: dataset_pb2.SelectRequest, context: Context
    ) -> AsyncIterator[dataset_pb2.SelectResponse]:
        """Commits a Selection, with progress; the result is in the last message."""
        parsed = await validated(context, requests.Select, request)

        def work(reporter: Reporter) -> dataset_pb2.SelectResponse:
            store = self._stores.open(parsed.store)
            chains = [message.chain() for message in parsed.shards]
            selected = select(store, chains, parsed.rule.rule(), reporter)
            self.catalogue.enter_index(selected.index, store.uri)
            return dataset_pb2.SelectResponse(
                result=dataset_pb2.SelectResult(
                    selection=ref_to_proto(selected.ref),
                    scored=selected.scored,
                    captions=selected.captions,
                    selected=selected.selected,
                )
            )

        async for response in stream(context, dataset_pb2.SelectResponse, work):
            yield response

    async def Assemble(
        self, request: dataset_pb2.AssembleRequest, context: Context
    ) -> AsyncIterator[dataset_pb2.AssembleResponse]:
        """Publishes a Selection, with progress; the version is in the last message."""
        parsed = await validated(context, requests.Assemble, request)
        wanted = AssemblyRequest(
            selection=parsed.selection,
            name=parsed.name,
            shard_size=parsed.shard_size or self._settings.shard_size,
            configuration=parsed.configuration_json,
            review_set=parsed.review_set,
        )

        def work(reporter: Reporter) -> dataset_pb2.AssembleResponse:
            log = _log.bind(dataset=parsed.name, assemble_request_id=parsed.request_id)
            log.info("assembly_started", selection=parsed.selection.path)
            store = self._stores.open(parsed.store)
            assembled = assemble(store, wanted, reporter)
            entry = publish(self.catalogue, store, parsed.name, assembled, self._maker)
            log.info("assembly_finished", version=entry.label, digest=entry.ref.digest)
            return dataset_pb2.AssembleResponse(version=_summary(entry))

        async for response in stream(context, dataset_pb2.AssembleResponse, work):
            yield response

    async def ListVersions(
        self, request: dataset_pb2.ListVersionsRequest, context: Context
    ) -> dataset_pb2.ListVersionsResponse:
        """One page of versions, newest entry first."""
        parsed = await validated(context, requests.ListVersions, request)
        before = _VERSION_PAGES.row(parsed.page_token, parsed.name)
        size = parsed.page_size or _PAGE_SIZE
        # One more than is sent, to tell whether there is a next page.
        entries = await offload(
            context, lambda _: self.catalogue.page(parsed.name, before, size + 1)
        )
        more = len(entries) > size
        return dataset_pb2.ListVersionsResponse(
            versions=[_summary(entry) for entry in entries[:size]],
            next_page_token=(
                _VERSION_PAGES.token(parsed.name, entries[size - 1].row) if more else ""
            ),
        )

    async def GetVersion(
        self, request: dataset_pb2.GetVersionRequest, context: Context
    ) -> dataset_pb2.GetVersionResponse:
        """A version with its manifest."""
        parsed = await validated(context, requests.GetVersion, request)

        def work(_: Reporter) -> dataset_pb2.GetVersionResponse:
            entry = find_version(self.catalogue, parsed.version, "version")
            manifest = self._stores.version(entry).manifest
            return dataset_pb2.GetVersionResponse(
                summary=_summary(entry),
                manifest_json=manifest.to_bytes().decode(),
                provenance_json=entry.provenance.to_json(),
            )

        return await offload(context, work)

    async def DiffVersions(
        self, request: dataset_pb2.DiffVersionsRequest, context: Context
    ) -> dataset_pb2.DiffVersionsResponse:
        """What differs between two versions."""
        parsed = await validated(context, requests.DiffVersions, request)

        def work(_: Reporter) -> dataset_pb2.DiffVersionsResponse:
            older = find_version(self.catalogue, parsed.older, "from")
            newer = find_version(self.catalogue, parsed.newer, "to")
            difference = compare(self._stores.version(older), self._stores.version(newer))
            return _difference(older, newer, difference)

        return await offload(context, work)

    async def GetImage(
        self, request: dataset_pb2.GetImageRequest, context: Context
    ) -> dataset_pb2.GetImageResponse:
        """An image and everything known about it."""
        parsed = await validated(context, requests.GetImage, request)

        def work(_: Reporter) -> dataset_pb2.GetImageResponse:
            found = find_image(self.catalogue, self._stores, parsed.image_id)
            return _image(found, found.place.read() if parsed.include_image else b"")

        return await offload(context, work)

    async def ExportVersion(
        self, request: dataset_pb2.ExportVersionRequest, context: Context
    ) -> AsyncIterator[dataset_pb2.ExportVersionResponse]:
        """Writes a version in another format, with progress; the files are in the last message."""
        parsed = await validated(context, requests.ExportVersion, request)

        def work(reporter: Reporter) -> dataset_pb2.ExportVersionResponse:
            entry = find_version(self.catalogue, parsed.version, "version")
            target = self._destination(parsed.destination_uri)
            version = self._stores.version(entry)
            made = export_version(
                version, parsed.form, parsed.rule, target, reporter, parsed.licence
            )
            return dataset_pb2.ExportVersionResponse(
                files=made.files,
                summary=dataset_pb2.ExportSummary(
                    pairs=made.record.pairs,
                    set_aside=made.record.set_aside,
                    changed=made.record.changed,
                    truncated=made.record.truncated,
                    words=made.record.words,
                ),
            )

        async for response in stream(context, dataset_pb2.ExportVersionResponse, work):
            yield response

    def _destination(self, location: Location) -> Store:
        try:
            return self._exports.open(location)
        except InvalidInput as error:
            violation = FieldViolation("destination_uri", error.message)
            raise InvalidInput(error.message, [violation]) from error


def _summary(entry: Entry) -> dataset_pb2.VersionSummary:
    return dataset_pb2.VersionSummary(
        name=entry.name,
        version=entry.provenance.number,
        digest=entry.ref.digest,
        pairs=entry.ref.records,
        bytes=entry.bytes,
        create_time_seconds=entry.provenance.create_time,
        path=entry.ref.path,
        store_uri=entry.store_uri,
    )


def _difference(
    older: Entry, newer: Entry, difference: Difference
) -> dataset_pb2.DiffVersionsResponse:
    # "from" is a reserved word in Python, so it cannot be a keyword argument.
    older_field = {"from": _summary(older)}
    return dataset_pb2.DiffVersionsResponse(
        **older_field,
        to=_summary(newer),
        added=difference.added,
        removed=difference.removed,
        unchanged=difference.unchanged,
        added_image_ids=difference.added_ids,
        removed_image_ids=difference.removed_ids,
        configuration=[
            dataset_pb2.ConfigurationChange(
                key=change.key, from_json=change.old, to_json=change.new
            )
            for change in difference.changes
        ],
        mix=_mix_shift(*difference.mixes),
    )


def _mix_shift(older: CaptionMix, newer: CaptionMix) -> dataset_pb2.CaptionMixShift:
    def shares(shifts: list[Shift]) -> list[dataset_pb2.ShareShift]:
        return [
            dataset_pb2.ShareShift(name=one.name, from_share=one.before, to_share=one.after)
            for one in shifts
        ]

    return dataset_pb2.CaptionMixShift(
        from_mean_words=older.mean_words,
        to_mean_words=newer.mean_words,
        lengths=shares(length_shifts(older, newer)),
        things=shares(thing_shifts(older, newer)),
        words=shares(word_shifts(older, newer, WORDS_LISTED)),
        clusters=shares(cluster_shifts(older, newer)),
    )


def _image(found: FoundImage, data: bytes) -> dataset_pb2.GetImageResponse:
    row = found.row
    return dataset_pb2.GetImageResponse(
        image_id=row["image_id"],
        caption_id=row["caption_id"],
        caption=found.text,
        repeat=row["repeat"],
        seed=row["seed"],
        generation_json=found.generation,
        scores=found.scores,
        versions=found.versions,
        digest=row["sha256"],
        media_type=row["media_type"],
        image=data,
        truncated=row.get("truncated"),
    )
