"""``synthvlm datasets``: listing, comparing and exporting dataset versions."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from json import loads
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format
from rich.table import Table

from synthvlm.cli.commands.datasets.export import export_version
from synthvlm.cli.options import HomeOption, JsonOption, prepared_home
from synthvlm.cli.terminal.output import print_json, stderr_console, stdout_console
from synthvlm.client import DatasetClient
from synthvlm.dataset.v1 import dataset_pb2
from synthvlm.local.clients import dataset_client

app = typer.Typer(no_args_is_help=True, help="List, show, compare and export dataset versions.")

VersionArgument = Annotated[
    str,
    typer.Argument(metavar="NAME[@VERSION]", help="NAME (newest), NAME@3 or NAME@sha256:…"),
]


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
    stdout_console().print(table if versions else "no datasets yet; make one with `synthvlm run`")


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
    with _client(context, home) as client:
        answer = client.get_version(dataset_pb2.GetVersionRequest(version=version))
    manifest = loads(answer.manifest_json)
    if json:
        print_json(manifest, indent=2)
        return
    console, summary = stdout_console(), answer.summary
    console.print(f"[bold]{summary.name}@{summary.version}[/] {summary.pairs:,} pairs")
    rows = {
        "digest": summary.digest,
        "size": f"{summary.bytes / 2**20:.1f} MiB",
        "created": _time(summary.create_time_seconds),
        "stored at": f"{summary.store_uri}/{summary.path}",
    }
    for label, text in rows.items():
        console.print(f"{label:<10} {text}", highlight=False, soft_wrap=True)
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
    console.print(
        f"{answer.added:,} added, {answer.removed:,} removed, {answer.unchanged:,} in both"
    )
    for change in answer.configuration:
        old, new = change.from_json or "(none)", change.to_json or "(none)"
        console.print(f"{change.key}: {old} → {new}", markup=False, highlight=False)
    for sign, ids in (("+", answer.added_image_ids), ("-", answer.removed_image_ids)):
        for image_id in ids:
            console.print(f"{sign} {image_id}", markup=False, highlight=False)


@app.command("export")
def export(
    context: typer.Context,
    version: VersionArgument,
    form: Annotated[ExportForm, typer.Option("--format", help="Export format.")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="A new or empty folder.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write a dataset version in another format.

    [dim]Examples:[/] synthvlm datasets export demo --format llava --to demo-llava
    synthvlm datasets export demo@1 --format parquet --to demo-parquet
    """
    place = prepared_home(context, home)
    with dataset_client(place) as client:
        files = export_version(client, place, version, form.value, to)
    if json:
        print_json({"to": str(to.resolve()), "files": files})
    else:
        stderr_console().print(f"{len(files):,} files in {to}", highlight=False)


def _client(context: typer.Context, option: Path | None) -> AbstractContextManager[DatasetClient]:
    return dataset_client(prepared_home(context, option))


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


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")
