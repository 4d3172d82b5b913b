"""``synthvlm run``: captions in, dataset version out."""

import shlex
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from synthvlm.cli import inputs
from synthvlm.cli.commands.review.sources import named_shard
from synthvlm.cli.failures import WrongUsageError, blaming_disk
from synthvlm.cli.options import (
    ColumnOption,
    ColumnsOption,
    DelimiterOption,
    EngineOption,
    FormatOption,
    HomeOption,
    IdColumnOption,
    MaxSetAsideOption,
    ProfileOption,
    RecipeOption,
    prepared_home,
)
from synthvlm.cli.run.display import display_on, duration
from synthvlm.cli.run.options import (
    DEFAULT_REPEATS,
    DEFAULT_SHARD_SIZE,
    CaptionsOption,
    LastStage,
    MoreCaptions,
    NameOption,
    RepeatOption,
    ReviewSetOption,
    SeedOption,
    ShardSizeOption,
    TopFractionOption,
    TopKOption,
    UntilOption,
    WithinOption,
)
from synthvlm.cli.run.pipeline import run_pipeline
from synthvlm.cli.run.plan import plan_run
from synthvlm.cli.run.report import bring_report, reported
from synthvlm.cli.run.wanted import stage_requests
from synthvlm.cli.terminal.output import (
    Terminal,
    print_json,
    stderr_console,
    stdout_console,
    styled,
)
from synthvlm.dataset.v1.dataset_pb2 import SelectResult
from synthvlm.evaluation.comparison import record_of
from synthvlm.local.home import Home
from synthvlm.local.services import run_services
from synthvlm.profiles import load_profile
from synthvlm.report.record import Prices
from synthvlm.storage import Store, open_shard, open_store
from synthvlm.storage.protos import ref_to_proto
from synthvlm_pipelines.nothing_left import parsed
from synthvlm_pipelines.requests import StageRequests
from synthvlm_pipelines.results import RunResults


def run(
    context: typer.Context,
    name: NameOption,
    captions: CaptionsOption = None,
    more_captions: MoreCaptions = None,
    home: HomeOption = None,
    profile: ProfileOption = "mini",
    engine: EngineOption = None,
    column: ColumnOption = "",
    id_column: IdColumnOption = None,
    form: FormatOption = None,
    delimiter: DelimiterOption = None,
    columns: ColumnsOption = None,
    max_set_aside: MaxSetAsideOption = None,
    recipe: RecipeOption = None,
    repeat: RepeatOption = DEFAULT_REPEATS,
    top_k: TopKOption = None,
    top_fraction: TopFractionOption = None,
    within: WithinOption = None,
    seed: SeedOption = 0,
    shard_size: ShardSizeOption = DEFAULT_SHARD_SIZE,
    until: UntilOption = LastStage.ASSEMBLE,
    review_set: ReviewSetOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object as the last line on stdout.")
    ] = False,
) -> None:
    """Make a dataset version from caption files.

    Curates the captions, synthesises and scores images, keeps the best pairs and publishes them.
    With --until evaluate it also trains a vision-language model on them, and examines it.
    Run again, the same command resumes where it stopped, and gives the same dataset.

    [dim]Examples:[/] synthvlm run --captions captions.jsonl --name demo --top-k 200
    synthvlm run --captions a.csv b.csv.gz --column caption --name small --repeat 2
    synthvlm run --captions captions.jsonl --name demo --until select
    """
    reference = inputs.profile_reference(profile)
    inputs.engine_name(engine)
    recipe_yaml = inputs.recipe_text(recipe or inputs.profile_recipe(reference))
    files = inputs.import_request(
        [*(captions or []), *(more_captions or [])],
        recipe=recipe_yaml,
        column=column,
        id_column=id_column,
        form=form,
        delimiter=delimiter,
        columns=columns,
        max_set_aside=max_set_aside,
    )
    requests = stage_requests(
        files,
        name=name,
        profile=reference,
        recipe=recipe_yaml,
        shard_size=shard_size,
        repeat=repeat,
        seed=seed,
        top_k=top_k,
        top_fraction=top_fraction,
        within=within,
        until=until,
    )
    place = prepared_home(context, home)
    if review_set is not None:
        if until is LastStage.SELECT:
            raise WrongUsageError("--review-set says what is published: leave out --until select")
        reviewed = named_shard(place, review_set, "--review-set")
        requests.assemble.review_set.CopyFrom(ref_to_proto(reviewed))
    signal.signal(signal.SIGTERM, _interrupt)
    _execute(requests, place, reference, engine, until, json)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _execute(
    requests: StageRequests,
    home: Home,
    profile: str,
    engine: str | None,
    until: LastStage,
    as_json: bool,
) -> None:
    prices = Prices.of(load_profile(profile).section("cost"))
    clock = time.monotonic()
    display = display_on(stderr_console())
    try:
        with (
            blaming_disk(home.root),
            run_services(home, profile, display.services, engine) as services,
        ):
            plan = plan_run(requests, services, profile, home.store_uri)
            folder = home.new_run(requests.assemble.name)
            arguments = {
                **plan.arguments,
                "run_name": folder.name,
                "prices": prices.model_dump_json(),
                "resume_command": shlex.join(["synthvlm", *sys.argv[1:]]),
            }
            if until is LastStage.SELECT:
                for stage in ("assemble", "train", "evaluate"):
                    del arguments[f"{stage}_request"]
                del arguments["prices"]  # nothing is published, so there is no bill
            with reported(arguments, folder):
                state = run_pipeline(arguments, services, folder, display.run, until.value)
    finally:
        display.close()
    report = bring_report(arguments, folder, _warn)
    if until is LastStage.SELECT:
        _tell_selection(parsed(state, "select", SelectResult)[0], as_json)
        return
    results = RunResults(state)
    store = open_store(home.store_location)
    seconds = time.monotonic() - clock
    console = stderr_console() if as_json else stdout_console()
    _tell(console, store, results, report, seconds)
    if truncated := results.truncated(store):
        console.say(
            f"{truncated:,} images have a caption longer than the text encoders' window: its end "
            f"did not reach the model"
        )
    if as_json:
        print_json(results.summary(report, seconds))


def _tell_selection(result: SelectResult, as_json: bool) -> None:
    ref = result.selection
    if as_json:
        print_json({"selection": {"path": ref.path, "digest": ref.digest, "pairs": ref.records}})
        return
    stdout_console().say(f"the selection {ref.path} has {ref.records:,} pairs")
    stdout_console().say(
        f"let people verify it with `synthvlm review create {ref.path}`, then publish it by the "
        f"same command with --review-set in the place of --until"
    )


def _warn(problem: str) -> None:
    stderr_console().print(
        f"warning: the dataset version is committed, but its report could not be made: {problem}; "
        f"run the same command again to retry",
        style="yellow",
        soft_wrap=True,
    )


def _tell(
    console: Terminal, store: Store, outcome: RunResults, report: Path | None, seconds: float
) -> None:
    counts, version = outcome.counts(), outcome.version
    console.say(
        styled(f"{version.name}@{version.version}", "bold"),
        f" has {version.pairs:,} pairs ({version.bytes / 2**20:.1f} MiB), made in "
        f"{duration(seconds)}",
    )
    lines = [f"{number:,} {noun}" for noun, number in counts.items()]
    failed = [f"{number:,} failed: {reason}" for reason, number in outcome.failed().items()]
    console.say(", ".join([*lines, *failed]))
    if any(outcome.reused().values()):
        made, reused = outcome.made(), outcome.reused()
        parts = [f"{made[noun]:,} {noun} made, {reused[noun]:,} reused" for noun in made]
        console.say("; ".join(parts))
    console.say(f"digest  {version.digest}")
    if outcome.model is not None:
        console.say(f"model   {outcome.model.path}")
    if outcome.evaluation is not None:
        for line in record_of(open_shard(store, outcome.evaluation)).headlines():
            console.say(f"        {line}")
    if report is not None:
        console.say(f"report  {report}")
