"""``synthvlm review sample-size``: how many pairs to draw, and what their interval will be."""

from typing import Annotated

import typer
from google.protobuf import json_format
from rich.table import Table

from synthvlm.cli.options import HomeOption, JsonOption, prepared_home
from synthvlm.cli.terminal.output import print_json, stdout_console
from synthvlm.client import ReviewClient
from synthvlm.local.clients import review_client
from synthvlm.review.v1 import review_pb2 as pb

_TRUTH, _RIGHT = 0.9, 0.9
"""What is expected where nobody says anything else: true pairs, and right verdicts."""


def sample_size(
    context: typer.Context,
    width: Annotated[
        float,
        typer.Option(
            "--width", metavar="F", help="Wanted width of the interval: 0.05 is 5 points."
        ),
    ] = 0.05,
    truth: Annotated[
        float, typer.Option("--truth", metavar="F", help="The truth rate that you expect.")
    ] = _TRUTH,
    right: Annotated[
        float, typer.Option("--right", metavar="F", help="How often annotators are right.")
    ] = _RIGHT,
    gold: Annotated[
        int,
        typer.Option(
            "--gold",
            metavar="N",
            help="Answers to gold questions, of all together, half of them true.",
        ),
    ] = 0,
    confidence: Annotated[
        float, typer.Option("--confidence", metavar="F", help="How sure to be.")
    ] = 0.95,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Tell how many pairs and verdicts an interval of the truth rate takes.

    It counts that annotators err, and how well gold questions and several verdicts a pair show how
    often.

    [dim]Example:[/] synthvlm review sample-size --width 0.05 --truth 0.91 --gold 200
    """
    request = pb.PlanSampleRequest(
        truth_rate=truth,
        width=width,
        sensitivity=right,
        specificity=right,
        gold_true=gold // 2,
        gold_false=gold - gold // 2,
        confidence=confidence,
    )
    with review_client(prepared_home(context, home)) as client:
        plans = client.plan_sample(request).plans
    if json:
        print_json(
            [json_format.MessageToDict(one, preserving_proto_field_name=True) for one in plans]
        )
        return
    if not plans:
        stdout_console().say(
            "no sample is large enough: too little is known of annotators' errors; ask for a wider "
            "interval, or plan gold questions with --gold"
        )
        return
    table = Table("verdicts a pair", "pairs", "verdicts", "width", box=None)
    for one in plans:
        width_text = f"{100 * one.width:.1f} points"
        table.add_row(str(one.verdicts_per_pair), f"{one.pairs:,}", f"{one.verdicts:,}", width_text)
    stdout_console().print(table)
    best = plans[0]
    stdout_console().say(
        f"the fewest verdicts: `synthvlm review create SOURCE --sample {best.pairs} --verdicts "
        f"{best.verdicts_per_pair}`"
    )


def expected_interval(client: ReviewClient, campaign: pb.Campaign, gold: int) -> str:
    """What the interval of a campaign will be about, in words.

    Args:
        client: Asks the service.
        campaign: One in which images are judged one by one.
        gold: Its gold questions, each of which is answered once at least.
    """
    request = pb.PlanSampleRequest(
        truth_rate=_TRUTH,
        pairs=campaign.pairs,
        sensitivity=_RIGHT,
        specificity=_RIGHT,
        gold_true=gold // 2,
        gold_false=gold - gold // 2,
        verdicts_per_pair=[campaign.design.verdicts_per_pair],
        overlap=campaign.design.overlap,
    )
    (plan,) = client.plan_sample(request).plans
    return (
        f"expect an interval about {100 * plan.width:.0f} points wide, if {_TRUTH:.0%} of the "
        f"pairs are true and annotators are right {_RIGHT:.0%} of the time; `synthvlm review "
        f"sample-size` plans another"
    )
