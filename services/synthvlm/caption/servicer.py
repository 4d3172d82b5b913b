"""The protos of the caption service, to the domain and back."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from typing import Any

import grpc

from synthvlm.caption import requests
from synthvlm.caption.config import CaptionSettings
from synthvlm.caption.curation import CaptionSet, curate
from synthvlm.caption.evaluation import Evaluation, evaluate_file
from synthvlm.caption.importing import Imported, ImportRequest, import_captions
from synthvlm.caption.locations import Locations
from synthvlm.caption.readers import (
    Format,
    Layout,
    Notice,
    find_caption_file,
    find_caption_files,
)
from synthvlm.caption.recipe import Recipe, parse_recipe
from synthvlm.caption.rules import Verdicts, judge
from synthvlm.caption.v1 import caption_pb2, caption_pb2_grpc
from synthvlm.progress import Reporter
from synthvlm.serving import iterate, offload, stream, validated
from synthvlm.storage import Roots, open_store
from synthvlm.storage.protos import drop_counts, ref_to_proto

Context = grpc.aio.ServicerContext[Any, Any]


class CaptionServicer(caption_pb2_grpc.CaptionServiceServicer):
    """Serves import and curation.

    Args:
        settings: The service's settings.
        locations: Where files may be read.
        recipe: Recipe of requests that bring none.
    """

    def __init__(self, settings: CaptionSettings, locations: Locations, recipe: Recipe) -> None:
        self._settings = settings
        self._roots = Roots(settings.store_roots)
        self._locations = locations
        self._default = recipe

    async def EvaluateCaptions(
        self, request: caption_pb2.EvaluateCaptionsRequest, context: Context
    ) -> caption_pb2.EvaluateCaptionsResponse:
        """Verdicts for captions given inline."""
        parsed = await validated(context, requests.EvaluateCaptions, request)

        def evaluate(reporter: Reporter) -> caption_pb2.EvaluateCaptionsResponse:
            recipe = self._recipe(parsed.recipe_yaml)
            reporter.check()
            verdicts = judge(recipe.rules, [caption.text for caption in parsed.captions])
            return caption_pb2.EvaluateCaptionsResponse(
                verdicts=[
                    _verdict(verdicts, number, caption.id, caption.text)
                    for number, caption in enumerate(parsed.captions)
                ]
            )

        return await offload(context, evaluate)

    async def EvaluateFile(
        self, request: caption_pb2.EvaluateFileRequest, context: Context
    ) -> AsyncIterator[caption_pb2.EvaluateFileResponse]:
        """Verdicts for every caption of a file, in its order."""
        parsed = await validated(context, requests.EvaluateFile, request)

        def evaluate(reporter: Reporter) -> Iterator[caption_pb2.EvaluateFileResponse]:
            recipe = self._recipe(parsed.recipe_yaml)
            file = find_caption_file(parsed.file, self._locations, form=_format(parsed.layout))
            layout = _layout(parsed.column, parsed.layout)
            return map(_evaluated, evaluate_file(file, layout, recipe, reporter))

        async for response in iterate(context, evaluate):
            yield response

    async def ImportCaptions(
        self, request: caption_pb2.ImportCaptionsRequest, context: Context
    ) -> AsyncIterator[caption_pb2.ImportCaptionsResponse]:
        """Pool shards from caption files, with progress; the result is in the last message."""
        parsed = await validated(context, requests.ImportCaptions, request)

        def work(reporter: Reporter) -> caption_pb2.ImportCaptionsResponse:
            store = open_store(self._roots.require(parsed.store))
            files = find_caption_files(parsed.files, self._locations, _format(parsed.layout))
            wanted = ImportRequest(
                files,
                _layout(parsed.column, parsed.layout),
                parsed.shard_size or requests.DEFAULT_SHARD_SIZE,
                requests.DEFAULT_MAX_SET_ASIDE
                if parsed.max_set_aside is None
                else parsed.max_set_aside,
            )
            imported = import_captions(store, wanted, reporter)
            return caption_pb2.ImportCaptionsResponse(result=_imported(imported))

        async for response in stream(context, caption_pb2.ImportCaptionsResponse, work):
            yield response

    async def CurateShard(
        self, request: caption_pb2.CurateShardRequest, context: Context
    ) -> AsyncIterator[caption_pb2.CurateShardResponse]:
        """A CaptionSet from a pool shard, with progress; the result is in the last message."""
        parsed = await validated(context, requests.CurateShard, request)

        def work(reporter: Reporter) -> caption_pb2.CurateShardResponse:
            recipe = self._recipe(parsed.recipe_yaml)
            store = open_store(self._roots.require(parsed.store))
            made = curate(store, parsed.pool, recipe, reporter)
            return caption_pb2.CurateShardResponse(result=_curated(made))

        async for response in stream(context, caption_pb2.CurateShardResponse, work):
            yield response

    def _recipe(self, text: str) -> Recipe:
        return parse_recipe(text, self._locations) if text else self._default


def _verdict(
    verdicts: Verdicts, number: int, identifier: str, text: str, integer_id: bool = False
) -> caption_pb2.CaptionVerdict:
    dropped_by = verdicts.dropped_by(number)
    return caption_pb2.CaptionVerdict(
        id=identifier,
        stats=verdicts.statistics_of(number),
        keep=not dropped_by,
        dropped_by=dropped_by,
        text=text,
        integer_id=integer_id,
    )


def _format(layout: requests.FileLayout | None) -> Format | None:
    return Format(layout.format) if layout and layout.format else None


def _layout(column: str, layout: requests.FileLayout | None) -> Layout:
    if layout is None:
        return Layout(column)
    return Layout(column, layout.id_column, layout.delimiter, tuple(layout.columns))


def _evaluated(evaluation: Evaluation) -> caption_pb2.EvaluateFileResponse:
    return caption_pb2.EvaluateFileResponse(
        verdicts=[
            _verdict(
                evaluation.verdicts, number, caption.id or "", caption.text, caption.integer_id
            )
            for number, caption in enumerate(evaluation.captions)
        ],
        unreadable=[
            caption_pb2.UnreadableRecord(line=record.line, reason=record.reason)
            for record in evaluation.unreadable
        ],
        warnings=map(_warning, evaluation.notices),
    )


def _imported(imported: Imported) -> caption_pb2.ImportResult:
    return caption_pb2.ImportResult(
        shards=map(ref_to_proto, imported.shards),
        quarantine=ref_to_proto(imported.quarantine) if imported.quarantine else None,
        read=imported.read,
        quarantined=drop_counts(imported.quarantined),
        warnings=map(_warning, imported.notices),
    )


def _warning(notice: Notice) -> caption_pb2.FileWarning:
    return caption_pb2.FileWarning(**asdict(notice))


def _curated(made: CaptionSet) -> caption_pb2.CurateResult:
    return caption_pb2.CurateResult(
        caption_set=ref_to_proto(made.ref),
        read=made.read,
        kept=made.kept,
        dropped=drop_counts(made.dropped),
    )
