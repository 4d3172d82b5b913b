"""``synthvlm review thresholds``: precision against the threshold of the weighted score."""

from collections.abc import Sequence
from typing import Annotated

import typer
from google.protobuf import json_format
from rich.table import Table

from synthvlm.cli.options import HomeOption, JsonOption, prepared_home
from synthvlm.cli.terminal.output import print_json, stdout_console
from synthvlm.local.clients import review_client
from synthvlm.review.v1 import review_pb2 as pb


def thresholds(
    context: typer.Context,
    campaign: Annotated[
        str, typer.Argument(metavar="CAMPAIGN", help="Its id, as `review list` shows it.")
    ],
    precision: Annotated[
        float,
        typer.Option("--precision", metavar="F", help="Share of true pairs that is wanted."),
    ] = 0.95,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show what thresholds of the weighted score would give, as people's verdicts say.

    [dim]Example:[/] synthvlm review thresholds 0f3a5b7c9d1e2f40 --precision 0.95
    """
    with review_client(prepared_home(context, home)) as client:
        found = client.get_statistics(pb.GetStatisticsRequest(campaign_id=campaign))
    points = found.thresholds
    chosen = lowest(points, precision)
    if json:
        values = [
            json_format.MessageToDict(one, preserving_proto_field_name=True) for one in points
        ]
        print_json({"thresholds": values, "chosen": None if chosen is None else chosen.score})
        return
    console = stdout_console()
    if not points:
        reason = found.undetermined or "images are compared, or the source has no scores"
        console.say(f"there is no threshold to choose yet: {reason}")
        return
    table = Table("score from", "pairs kept", "precision", "95% band", "judged", box=None)
    for one in points:
        band = f"{one.precision.low:.1%} to {one.precision.high:.1%}"
        table.add_row(
            f"{one.score:.4f}",
            f"{one.kept:.1%}",
            f"{one.precision.value:.1%}",
            band,
            f"{one.pairs:,}",
        )
    console.print(table)
    if chosen is None:
        console.say(f"at no threshold is the precision {precision:.0%} or more for sure")
    else:
        console.say(
            f"from {chosen.score:.4f} on the precision is {precision:.0%} or more, with "
            f"{chosen.kept:.1%} of the pairs kept"
        )


def lowest(points: Sequence[pb.Threshold], precision: float) -> pb.Threshold | None:
    """The lowest threshold from which on the lower end of the band reaches ``precision``."""
    chosen = None
    for point in reversed(points):
        if point.precision.low < precision:
            break
        chosen = point
    return chosen
