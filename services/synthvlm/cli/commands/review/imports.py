"""``synthvlm review import``: verdicts of a file in a campaign."""

from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format

from synthvlm.cli.failures import WrongUsageError
from synthvlm.cli.options import HomeOption, JsonOption, prepared_home
from synthvlm.cli.terminal.output import print_json, stdout_console
from synthvlm.local.clients import review_client
from synthvlm.review.v1 import review_pb2 as pb

_FORMATS = {".csv": "CSV", ".parquet": "PARQUET", ".json": "LABEL_STUDIO"}
_MAX_BYTES = 16 << 20
_SHOWN = 10


def import_verdicts(
    context: typer.Context,
    campaign: Annotated[
        str, typer.Argument(metavar="CAMPAIGN", help="Its id, as `review list` shows it.")
    ],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Verdicts: .csv, .parquet, or .json as Label Studio exports it."
        ),
    ],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Record the verdicts of a file in a campaign, as their annotators'.

    What is not a verdict on a pair of this campaign is put in quarantine and counted. The same file
    again records nothing twice.

    [dim]Example:[/] synthvlm review import 0f3a5b7c9d1e2f40 verdicts.csv
    """
    request = request_of(campaign, file)
    with review_client(prepared_home(context, home)) as client:
        done = client.import_verdicts(request, timeout=None)
    if json:
        print_json(json_format.MessageToDict(done, preserving_proto_field_name=True))
        return
    console = stdout_console()
    console.say(
        f"{done.recorded:,} verdicts are recorded, {done.recorded_before:,} were before, "
        f"{done.quarantined:,} are in quarantine"
    )
    for reason, count in sorted(done.reasons.items(), key=lambda one: (-one[1], one[0])):
        console.say(f"{count:>8,}  {reason}")
    for one in done.quarantine[:_SHOWN]:
        console.say(f"{one.place}: {one.reason}")
    for notice in done.notices:
        console.say(notice)


def request_of(campaign: str, file: Path) -> pb.ImportVerdictsRequest:
    """The request to import a file, whose name tells its format.

    Raises:
        WrongUsageError: It has another name, cannot be read, is empty, or is too large.
    """
    form = _FORMATS.get(file.suffix.lower())
    if form is None:
        raise WrongUsageError(f"FILE {file}: its name must end in {', '.join(_FORMATS)}")
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise WrongUsageError(f"FILE {file} is larger than {_MAX_BYTES >> 20} MiB; split it")
        content = file.read_bytes()
    except OSError as error:
        raise WrongUsageError(f"FILE {file} cannot be read: {error.strerror}") from None
    if not content:
        raise WrongUsageError(f"FILE {file} is empty")
    return pb.ImportVerdictsRequest(
        campaign_id=campaign, format=f"VERDICT_FORMAT_{form}", content=content
    )
