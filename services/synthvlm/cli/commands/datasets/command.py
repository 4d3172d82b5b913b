"""``synthvlm datasets``: listing, comparing and exporting dataset versions."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from json import loads
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format
from rich.table import Table

from synthvlm.cli.commands.datasets.export import export_version
from synthvlm.cli.commands.datasets.reindexing import reindexed
from synthvlm.cli.failures import WrongUsageError
from synthvlm.cli.options import HomeOption, JsonOption, chosen_home, readable_home
from synthvlm.cli.terminal.output import print_json, stderr_console, stdout_console, styled
from synthvlm.client import DatasetClient
from synthvlm.dataset.v1 import dataset_pb2
from synthvlm.local.clients import dataset_client
from synthvlm.local.home import Home

app = typer.Typer(no_args_is_help=True, help="List, show, compare and export dataset versions.")

VersionArgument = Annotated[
    str,
    typer.Argument(metavar="NAME[@VERSION]", help="NAME (newest), NAME@3 or NAME@sha256:…"),
]


class Reserved(StrEnum):
    """What becomes of captions with words that are reserved in a form."""

    DROP = "drop"
    NEUTRALISE = "neutralise"


class ExportForm(StrEnum):
    """Export formats."""

    WEBDATASET = "webdataset"
    LLAVA = "llava"
    PARQUET = "parquet"


@app.command("list")
def list_versions(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Only this dataset.")] = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """List datasets and their versions, newest first.

    [dim]Example:[/] synthvlm datasets list
    """
    with _client(context, home) as client:
        versions = list(_versions(client, name))
    if json:
        print_json([_summary(version) for version in versions])
        return
    table = Table("dataset", "version", "pairs", "size", "digest", "created", box=None)
    for version in versions:
        table.add_row(
            version.name,
            str(version.version),
            f"{version.pairs:,}",
            f"{version.bytes / 2**20:.1f} MiB",
            version.digest[:19],
            _time(version.create_time_seconds),
        )
    if versions:
        stdout_console().print(table)
    else:
        stdout_console().say("no datasets yet; make one with `synthvlm run`")


@app.command("show")
def show(
    context: typer.Context,
    version: VersionArgument,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show a dataset version; with --json its manifest.

    [dim]Example:[/] synthvlm datasets show demo@1 --json
    """
    with readable_home(context, home) as place, dataset_client(place) as client:
        answer = client.get_version(dataset_pb2.GetVersionRequest(version=version))
    manifest = loads(answer.manifest_json)
    if json:
        print_json(manifest, indent=2)
        return
    console, summary = stdout_console(), answer.summary
    console.say(styled(f"{summary.name}@{summary.version}", "bold"), f" {summary.pairs:,} pairs")
    rows = {
        "digest": summary.digest,
        "size": f"{summary.bytes / 2**20:.1f} MiB",
        "created": _time(summary.create_time_seconds),
        "stored at": _stored_at(summary, place),
    }
    for label, text in rows.items():
        console.say(f"{label:<10} {text}")
    console.print_json(data=manifest)


@app.command("diff")
def diff(
    context: typer.Context,
    older: Annotated[str, typer.Argument(metavar="OLDER", help="As in `show`.")],
    newer: Annotated[str, typer.Argument(metavar="NEWER", help="As in `show`.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Compare two dataset versions.

    [dim]Example:[/] synthvlm datasets diff demo@1 demo@2
    """
    request = dataset_pb2.DiffVersionsRequest(to=newer, **{"from": older})
    with _client(context, home) as client:
        answer = client.diff_versions(request)
    if json:
        print_json(
            {
                **json_format.MessageToDict(answer, preserving_proto_field_name=True),
                "from": _summary(getattr(answer, "from")),
                "to": _summary(answer.to),
                "added": answer.added,
                "removed": answer.removed,
                "unchanged": answer.unchanged,
            }
        )
        return
    console = stdout_console()
    console.say(f"{answer.added:,} added, {answer.removed:,} removed, {answer.unchanged:,} in both")
    for change in answer.configuration:
        old, new = change.from_json or "(none)", change.to_json or "(none)"
        console.say(f"{change.key}: {old} → {new}")
    _show_mix(answer.mix)
    for sign, ids in (("+", answer.added_image_ids), ("-", answer.removed_image_ids)):
        for image_id in ids:
            console.say(f"{sign} {image_id}")


@app.command("export")
def export(
    context: typer.Context,
    version: VersionArgument,
    form: Annotated[ExportForm, typer.Option("--format", help="Export format.")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="A new or empty folder.")],
    reserved: Annotated[
        Reserved,
        typer.Option(
            "--reserved",
            help="Captions with words that mean something to the form's readers, such as <image> "
            "to LLaVA: leave the pair out, or take the words' punctuation out.",
        ),
    ] = Reserved.DROP,
    licence: Annotated[
        str,
        typer.Option(
            "--license", metavar="ID", help="Licence for the dataset card, such as cc-by-4.0."
        ),
    ] = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write a dataset version in another format.

    The folder appears when the export is whole. After a full disk or a kill the same command goes
    on where the last one stopped.

    [dim]Examples:[/] synthvlm datasets export demo --format llava --to demo-llava
    synthvlm datasets export demo@1 --format parquet --to demo-parquet
    """
    request = dataset_pb2.ExportVersionRequest(
        version=version,
        format=f"EXPORT_FORMAT_{form.value.upper()}",
        reserved=f"RESERVED_WORDS_{reserved.value.upper()}",
        license=licence,
    )
    with readable_home(context, home) as place:
        answer = export_version(place, request, to)
    made = answer.summary
    if json:
        print_json(
            {
                "to": str(to.resolve()),
                "files": list(answer.files),
                "pairs": made.pairs,
                "set_aside": made.set_aside,
                "changed": made.changed,
                "words": dict(sorted(made.words.items())),
                "truncated": made.truncated if made.HasField("truncated") else None,
            }
        )
        return
    console = stderr_console()
    console.say(f"{made.pairs:,} pairs in {to}")
    if made.words:
        words = ", ".join(f"{word} ({number:,})" for word, number in sorted(made.words.items()))
        console.say(
            f"captions with words that are reserved in this form: {made.set_aside:,} set aside, "
            f"{made.changed:,} changed: {words}"
        )
    if made.truncated:
        console.say(
            f"{made.truncated:,} captions are longer than the text encoders' window; their records "
            f"say so (truncated)"
        )


@app.command("reindex")
def reindex(
    context: typer.Context,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Fill the catalogue again from the store, after a home was moved or its catalogue was lost.

    Versions keep their numbers.

    [dim]Example:[/] synthvlm datasets reindex --home moved
    """
    place = chosen_home(context, home)
    if not place.places.store and not place.store.is_dir():
        raise WrongUsageError(f"{place.root} is not a home: it has no folder `store`")
    place.prepare()
    found = reindexed(place)
    if json:
        print_json({"home": str(place.root), **found})
    else:
        stdout_console().say(
            f"{found['versions']:,} versions and {found['indexes']:,} indexes of images in "
            f"{place.places.store or place.store}"
        )


def _show_mix(mix: dataset_pb2.CaptionMixShift) -> None:
    """How the captions differ as a whole."""
    console = stdout_console()
    console.say(f"words a caption: {mix.from_mean_words:.1f} → {mix.to_mean_words:.1f}")
    for heading, shifts in (
        ("captions by number of words", mix.lengths),
        ("captions by number of things", mix.things),
        ("captions with a word", mix.words),
        ("captions by cluster", mix.clusters),
    ):
        changed = [one for one in shifts if one.from_share != one.to_share]
        if changed:
            console.say(
                f"{heading}: "
                + ", ".join(
                    f"{one.name} {one.from_share:.1%} → {one.to_share:.1%}" for one in changed
                )
            )


@contextmanager
def _client(context: typer.Context, option: Path | None) -> Iterator[DatasetClient]:
    with readable_home(context, option) as home, dataset_client(home) as client:
        yield client


def _versions(client: DatasetClient, name: str) -> Iterator[dataset_pb2.VersionSummary]:
    token = ""
    while True:
        page = client.list_versions(dataset_pb2.ListVersionsRequest(name=name, page_token=token))
        yield from page.versions
        token = page.next_page_token
        if not token:
            return


def _summary(version: dataset_pb2.VersionSummary) -> dict[str, object]:
    return {
        "name": version.name,
        "version": version.version,
        "digest": version.digest,
        "pairs": version.pairs,
        "bytes": version.bytes,
        "create_time_seconds": version.create_time_seconds,
        "path": version.path,
        "store_uri": version.store_uri,
    }


def _stored_at(version: dataset_pb2.VersionSummary, home: Home) -> str:
    """Where a version lies: in the home, even if that lay elsewhere when it was made."""
    here = home.store / version.path
    return f"file://{here}" if here.is_dir() else f"{version.store_uri}/{version.path}"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")
