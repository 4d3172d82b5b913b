"""``synthvlm review``: campaigns in which people verify pairs."""

import hashlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format
from rich.table import Table

from synthvlm.cli.commands.review.imports import import_verdicts
from synthvlm.cli.commands.review.invitation import invited
from synthvlm.cli.commands.review.links import running_page
from synthvlm.cli.commands.review.real_sets import import_set
from synthvlm.cli.commands.review.samples import expected_interval, sample_size
from synthvlm.cli.commands.review.sources import gold_questions, named_shard
from synthvlm.cli.commands.review.thresholds import thresholds
from synthvlm.cli.options import HomeOption, JsonOption, prepared_home
from synthvlm.cli.terminal.output import print_json, stdout_console, styled
from synthvlm.local.clients import review_client
from synthvlm.review.v1 import review_pb2 as pb
from synthvlm.storage.protos import ref_to_proto

app = typer.Typer(no_args_is_help=True, help="Let people verify pairs: campaigns and verdicts.")

app.command("sample-size")(sample_size)
app.command("thresholds")(thresholds)
app.command("import")(import_verdicts)
app.command("import-set")(import_set)

CampaignArgument = Annotated[
    str, typer.Argument(metavar="CAMPAIGN", help="Its id, as `review list` shows it.")
]


class Design(StrEnum):
    """How pairs are drawn."""

    SIMPLE = "simple"
    STRATIFIED = "stratified"
    BORDERLINE_FIRST = "borderline-first"


class InvitedRole(StrEnum):
    """What somebody who is invited may do."""

    MODEL = "model"
    ANNOTATOR = "annotator"
    ADJUDICATOR = "adjudicator"
    OWNER = "owner"


@app.command("create")
def create(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A version, NAME@3, or a Selection's folder, selection/3f2a…"
        ),
    ],
    title: Annotated[str, typer.Option("--title", help="Name shown to annotators.")] = "",
    instructions: Annotated[
        str, typer.Option("--instructions", help="What annotators are told to do.")
    ] = "",
    sample: Annotated[int, typer.Option("--sample", metavar="N", help="Pairs to draw.")] = 400,
    design: Annotated[Design, typer.Option("--design", help="How they are drawn.")] = Design.SIMPLE,
    verdicts: Annotated[
        int, typer.Option("--verdicts", metavar="N", help="Verdicts of each pair.")
    ] = 3,
    overlap: Annotated[
        float,
        typer.Option(
            "--overlap", metavar="F", help="Share of the pairs that get them; others get one."
        ),
    ] = 1.0,
    gold: Annotated[
        Path | None,
        typer.Option("--gold", metavar="FILE", help="Questions with known answers, JSON Lines."),
    ] = None,
    gold_share: Annotated[
        float, typer.Option("--gold-share", metavar="F", help="Share of these in what is shown.")
    ] = 0.1,
    compare: Annotated[
        str | None,
        typer.Option(
            "--compare",
            metavar="SOURCE",
            help="Compare with this one's images of the same captions; real-set/NAME: real images.",
        ),
    ] = None,
    partly: Annotated[
        bool, typer.Option("--partly-is-true", help="Count what is partly right as true.")
    ] = False,
    lease: Annotated[
        int, typer.Option("--lease", metavar="SECONDS", help="How long a pair stays somebody's.")
    ] = 600,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of the sample.")] = 0,
    draft: Annotated[bool, typer.Option("--draft", help="Do not open it yet.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Draw the sample of a campaign, and open it.

    The same command again finds the same campaign.

    [dim]Examples:[/] synthvlm review create demo@1 --sample 400 --verdicts 3
    synthvlm review create demo@2 --compare demo@1
    """
    place = prepared_home(context, home)
    questions = gold_questions(gold) if gold is not None else []
    ref = named_shard(place, source, "SOURCE")
    request = pb.CreateCampaignRequest(
        store={"uri": place.store_uri},
        source=ref_to_proto(ref),
        compared=ref_to_proto(named_shard(place, compare, "--compare")) if compare else None,
        design=pb.CampaignDesign(
            title=title or source,
            instructions=instructions,
            sample_design=f"SAMPLE_DESIGN_{design.name}",
            sample_size=sample,
            verdicts_per_pair=verdicts,
            overlap=overlap,
            gold_share=gold_share if questions else 0.0,
            lease_seconds=lease,
            seed=seed,
            partly_is_true=partly,
        ),
        gold=questions,
    )
    # The same request is the same campaign, however often the command is given.
    content = request.SerializeToString(deterministic=True)
    request.request_id = hashlib.sha256(content).hexdigest()
    with review_client(place) as client:
        made = client.create_campaign(request).campaign
        if not draft and made.state == pb.CAMPAIGN_STATE_DRAFT:
            made = client.open_campaign(
                pb.OpenCampaignRequest(campaign_id=made.campaign_id)
            ).campaign
        expected = "" if compare else expected_interval(client, made, len(questions))
    _tell(made, json)
    if expected and not json:
        stdout_console().say(expected)


@app.command("list")
def list_campaigns(
    context: typer.Context, home: HomeOption = None, json: JsonOption = False
) -> None:
    """List campaigns, newest first.

    [dim]Example:[/] synthvlm review list
    """
    with review_client(prepared_home(context, home)) as client:
        found: list[pb.Campaign] = []
        token = ""
        while True:
            page = client.list_campaigns(pb.ListCampaignsRequest(page_token=token))
            found += page.campaigns
            token = page.next_page_token
            if not token:
                break
    if json:
        print_json([_values(one) for one in found])
        return
    table = Table("campaign", "state", "title", "pairs", "verdicts", box=None)
    for one in found:
        counts = f"{one.done:,} of {one.wanted:,}"
        table.add_row(one.campaign_id, _state(one), one.design.title, f"{one.pairs:,}", counts)
    if found:
        stdout_console().print(table)
    else:
        stdout_console().say("no campaigns yet; make one with `synthvlm review create`")


@app.command("status")
def status(
    context: typer.Context,
    campaign: CampaignArgument,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show how far a campaign is, and what its verdicts say.

    [dim]Example:[/] synthvlm review status 0f3a5b7c9d1e2f40
    """
    with review_client(prepared_home(context, home)) as client:
        progress = client.get_progress(pb.GetProgressRequest(campaign_id=campaign))
        figures = client.get_statistics(pb.GetStatisticsRequest(campaign_id=campaign))
    if json:
        print_json({"progress": _values(progress), "statistics": _values(figures)})
        return
    console, one = stdout_console(), progress.campaign
    console.say(styled(one.design.title, "bold"), f" {_state(one)}")
    lines = {
        "pairs": f"{one.pairs:,}, of which {progress.complete_pairs:,} have all their verdicts",
        "verdicts": f"{one.done:,} of {one.wanted:,}",
        "disagreements": f"{progress.disagreements:,}, of which {progress.settled:,} are settled",
        "alpha": f"{figures.alpha:.3f}" if figures.HasField("alpha") else "not determined yet",
        "truth rate": _estimate(figures),
    }
    for label, text in lines.items():
        console.say(f"{label:<14} {text}")
    table = Table("annotator", "verdicts", "gold right", "skipped", "median", box=None)
    for person in progress.annotators:
        table.add_row(
            f"{person.annotator} (model)" if person.is_model else person.annotator,
            f"{person.verdicts:,}",
            f"{person.gold_right} of {person.gold_answered}",
            str(person.skipped),
            f"{person.median_milliseconds / 1000:.1f} s",
        )
    if progress.annotators:
        console.print(table)


@app.command("open")
def open_campaign(
    context: typer.Context,
    campaign: CampaignArgument,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Let people judge the pairs of a campaign, and print where.

    The address signs the owner in: keep it to yourself, and `invite` the others. The page is there
    while `synthvlm up` runs.

    [dim]Example:[/] synthvlm review open 0f3a5b7c9d1e2f40
    """
    place = prepared_home(context, home)
    with review_client(place) as client:
        found = client.open_campaign(pb.OpenCampaignRequest(campaign_id=campaign)).campaign
    page = running_page(place)
    if json:
        address = None if page is None else page.campaign(campaign)
        print_json({"campaign": _values(found), "page": address})
        return
    _tell(found, json)
    stdout_console().say(
        "start `synthvlm up` to serve the page on which people judge pairs"
        if page is None
        else f"judge pairs at {page.link(campaign)}"
    )


@app.command("close")
def close(
    context: typer.Context,
    campaign: CampaignArgument,
    finish: Annotated[
        bool, typer.Option("--finish", help="Make the verdicts final: commit the ReviewSet.")
    ] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """End the judging of a campaign.

    With [bold]--finish[/] its verdicts become final, as a ReviewSet: `synthvlm run --review-set`
    leaves the pairs out that people rejected.

    [dim]Example:[/] synthvlm review close 0f3a5b7c9d1e2f40 --finish
    """
    with review_client(prepared_home(context, home)) as client:
        found = client.get_campaign(pb.GetCampaignRequest(campaign_id=campaign)).campaign
        if found.state != pb.CAMPAIGN_STATE_FINISHED:
            found = client.close_campaign(pb.CloseCampaignRequest(campaign_id=campaign)).campaign
        if finish:
            found = client.finish_campaign(
                pb.FinishCampaignRequest(campaign_id=campaign), timeout=None
            ).campaign
    _tell(found, json)


@app.command("invite")
def invite(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As recorded with their verdicts.")],
    role: Annotated[
        InvitedRole, typer.Option("--role", help="What they may do.")
    ] = InvitedRole.ANNOTATOR,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Make a token for somebody, and show it once.

    [dim]Example:[/] synthvlm review invite ann
    """
    place = prepared_home(context, home)
    token = invited(place.people, name, str(role))
    if json:
        print_json({"name": name, "role": str(role), "token": token})
        return
    stdout_console().say(f"the token of {name} ({role}), which is kept nowhere: {token}")
    if (page := running_page(place)) is not None:
        stdout_console().say(f"this address signs {name} in: {page.invitation(token)}")


def _tell(campaign: pb.Campaign, as_json: bool) -> None:
    if as_json:
        print_json(_values(campaign))
        return
    stdout_console().say(
        f"the campaign {campaign.campaign_id} is {_state(campaign)}: {campaign.pairs:,} pairs, "
        f"{campaign.done:,} of {campaign.wanted:,} verdicts"
    )
    if campaign.HasField("review_set"):
        stdout_console().say(f"its ReviewSet is {campaign.review_set.path}")


def _state(campaign: pb.Campaign) -> str:
    return pb.CampaignState.Name(campaign.state).removeprefix("CAMPAIGN_STATE_").lower()


def _estimate(figures: pb.GetStatisticsResponse) -> str:
    if not figures.HasField("truth_rate"):
        return f"not determined yet: {figures.undetermined}"
    rate = figures.truth_rate
    return f"{rate.value:.1%} (95%: {rate.low:.1%} to {rate.high:.1%})"


def _values(message: pb.Campaign | pb.GetProgressResponse | pb.GetStatisticsResponse) -> object:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)
