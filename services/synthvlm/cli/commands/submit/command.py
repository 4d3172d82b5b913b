"""``synthvlm submit``: a run on a Kubeflow Pipelines server, followed to its end."""

import os
from typing import Annotated

import typer

from synthvlm import __version__
from synthvlm.cli import inputs
from synthvlm.cli.commands.review.sources import shard_at
from synthvlm.cli.commands.submit import options, sending
from synthvlm.cli.commands.submit.telling import Sent
from synthvlm.cli.failures import INTERRUPT_STATUS, CommandError, WrongUsageError
from synthvlm.cli.options import (
    ColumnOption,
    ColumnsOption,
    DelimiterOption,
    FormatOption,
    HomeOption,
    IdColumnOption,
    MaxSetAsideOption,
    ProfileOption,
    RecipeOption,
    chosen_home,
)
from synthvlm.cli.run import options as run_options
from synthvlm.cli.run.options import LastStage
from synthvlm.cli.run.plan import plan_run
from synthvlm.cli.run.wanted import stage_requests
from synthvlm.cli.terminal.output import print_json, stderr_console, stdout_console
from synthvlm.dataset.v1.dataset_pb2 import SelectResult
from synthvlm.storage import parse_location
from synthvlm.storage.protos import ref_to_proto
from synthvlm.submission.following import followed
from synthvlm.submission.recurring import NEVER, Change, Recurring, recurring, removed, schedule
from synthvlm.submission.runs import Wanted, experiment_id, submitted, uploaded_pipeline
from synthvlm.submission.server import IN_CLUSTER, KfpServer, is_inside
from synthvlm.submission.target import Target, target_at
from synthvlm.submission.tokens import chosen_token
from synthvlm.submission.uploads import plan_uploads, shared_store, upload
from synthvlm_pipelines.requests import StageRequests, to_json

DEFAULT_EXPERIMENT = "synthvlm"

DEFAULT_PATIENCE = 600


def submit(
    context: typer.Context,
    name: run_options.NameOption,
    captions: run_options.CaptionsOption = None,
    more_captions: run_options.MoreCaptions = None,
    server: options.ServerOption = None,
    target: options.TargetOption = None,
    profile: ProfileOption = "mini",
    until: run_options.UntilOption = LastStage.ASSEMBLE,
    run_name: options.RunNameOption = None,
    every: options.EveryOption = None,
    no_wait: options.NoWaitOption = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object as the last line on stdout.")
    ] = False,
    home: HomeOption = None,
    column: ColumnOption = "",
    id_column: IdColumnOption = None,
    form: FormatOption = None,
    delimiter: DelimiterOption = None,
    columns: ColumnsOption = None,
    max_set_aside: MaxSetAsideOption = None,
    recipe: RecipeOption = None,
    repeat: run_options.RepeatOption = run_options.DEFAULT_REPEATS,
    top_k: run_options.TopKOption = None,
    top_fraction: run_options.TopFractionOption = None,
    within: run_options.WithinOption = None,
    seed: run_options.SeedOption = 0,
    shard_size: run_options.ShardSizeOption = run_options.DEFAULT_SHARD_SIZE,
    review_set: run_options.ReviewSetOption = None,
    selection: options.SelectionOption = None,
    token_file: options.TokenFileOption = None,
    token_command: options.TokenCommandOption = None,
    ca: options.CaOption = None,
    namespace: options.NamespaceOption = None,
    experiment: options.ExperimentOption = DEFAULT_EXPERIMENT,
    reach: options.ReachOption = None,
    services_token: options.ServicesTokenOption = None,
    services_ca: options.ServicesCaOption = None,
    queue: options.QueueOption = "",
    priority: options.PriorityOption = "",
    pool: options.PoolOption = None,
    service_account: options.ServiceAccountOption = "",
    packages: options.PackagesOption = None,
    patience: options.PatienceOption = DEFAULT_PATIENCE,
) -> None:
    """Send a run to a Kubeflow Pipelines server, and follow it to its end.

    It makes what [bold]synthvlm run[/] makes, of the same options. Sent again, the same run is
    followed again; one that failed goes on where it stopped. The report is fetched from the store.

    [dim]Examples:[/] synthvlm submit --captions captions.jsonl --name demo --until evaluate
    synthvlm submit --captions s3://bucket/captions/ --name nightly --every "0 22 * * *"
    synthvlm submit --captions a.csv --name demo --server https://kfp.example.com --no-wait --json
    """
    host = _host(server)
    told = stderr_console()
    cron = schedule(every) if every not in (None, NEVER) else ""
    reached = sending.reachable(reach or [])
    dataset = inputs.dataset_name(name)
    wait = inputs.in_range("--patience", patience, 0)

    def connected() -> KfpServer:
        token = chosen_token(token_file, token_command, inside=is_inside(host))
        return KfpServer(host, token, ca, patience=wait, tell=told.say)

    if every == NEVER:
        kfp = connected()
        group = experiment_id(kfp, experiment, sending.owner(kfp, namespace))
        _tell_removed(run_name or dataset, removed(kfp, run_name or dataset, group), json)
        return
    reference = inputs.profile_reference(profile)
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
        name=dataset,
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
    release = target_at(target)
    placement = sending.placement_of(release, queue, priority, pool)
    urls, uploads = plan_uploads(files.files, parse_location(release.store_uri))
    if every is not None and uploads:
        raise WrongUsageError(
            "--every reads its captions anew each time: put them into a folder of a store and give "
            "its URL, as in --captions s3://bucket/captions/"
        )
    files.files[:] = urls
    selected = _set_store_inputs(requests, release, review_set, selection, until)
    kfp = connected()
    owner = sending.owner(kfp, namespace)
    services = sending.TargetServices(release, reached, services_token, services_ca)
    plan = plan_run(requests, services, reference, release.store_uri)
    package = sending.wanted_package(
        "publication-run" if selection else _PIPELINES[until],
        packages,
        release,
        placement,
        reference,
        fresh=len(uploads) < len(urls),
    )
    # Under a name that is given, or that recurs, folders are expected to change.
    is_named_by_content = run_name is None and every is None
    seen = sending.folders_now(urls) if is_named_by_content else {}
    digest = sending.decided_by(plan, package, seen, **selected)
    named = sending.run_name(run_name, dataset, digest, recurs=every is not None)
    arguments = sending.run_arguments(plan, package, release, named, reference, **selected)
    wanted = Wanted(
        name=named,
        arguments=arguments,
        digest=digest,
        pipeline=uploaded_pipeline(kfp, sending.fitting(package, arguments), __version__, owner),
        experiment_id=experiment_id(kfp, experiment, owner),
        service_account=service_account,
    )
    if uploads:
        count = upload(shared_store(release.store_uri), uploads)
        told.say(f"caption files: {count:,} uploaded, {len(uploads) - count:,} found in the store")
    if every is not None:
        _tell_recurring(named, recurring(kfp, wanted, cron), cron, json)
        return
    found, adopted = submitted(kfp, wanted)
    sent = Sent(named, str(found.run_id), host, adopted=adopted, as_json=json)
    sent.begin()
    if no_wait:
        sent.left()
        return
    try:
        ended, standing = followed(kfp, sent.run_id, sent.standing)
    except KeyboardInterrupt:
        raise CommandError(
            f"the run {named} is no longer followed, and goes on; the same command follows it "
            f"again; to end it, terminate it at {sent.url}",
            status=INTERRUPT_STATUS,
        ) from None
    sent.end(ended, standing, release.store_uri, chosen_home(context, home).submitted / named)


_PIPELINES = {
    LastStage.SELECT: "selection-run",
    LastStage.ASSEMBLE: "dataset-run",
    LastStage.TRAIN: "dataset-run",
    LastStage.EVALUATE: "dataset-run",
}
"""The pipeline that ends with a stage."""


def _host(server: str | None) -> str:
    """The server's URL.

    Raises:
        WrongUsageError: It is not known.
    """
    if server:
        return server
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return IN_CLUSTER
    raise WrongUsageError("give the URL of the pipelines server with --server")


def _set_store_inputs(
    requests: StageRequests,
    release: Target,
    review_set: str | None,
    selection: str | None,
    until: LastStage,
) -> dict[str, str]:
    """Looks up what the run is to take from the store.

    Returns:
        The arguments that name an earlier run's selection.

    Raises:
        WrongUsageError: There is no such shard, or it does not go with the last stage.
    """
    if review_set is None and selection is None:
        return {}
    if until is LastStage.SELECT:
        raise WrongUsageError(
            "--review-set and --selection say what is published: leave out --until select"
        )
    store = shared_store(release.store_uri)
    if review_set is not None:
        reviewed = shard_at(store, review_set, "--review-set")
        requests.assemble.review_set.CopyFrom(ref_to_proto(reviewed))
    if selection is None:
        return {}
    if until is not LastStage.ASSEMBLE:
        raise WrongUsageError(
            "--selection publishes and ends; for a model, leave it out: what is made is found"
        )
    found = shard_at(store, selection, "--selection")
    return {
        "selected": to_json(SelectResult(selection=ref_to_proto(found), selected=found.records))
    }


def _tell_recurring(name: str, made: Recurring, cron: str, as_json: bool) -> None:
    if as_json:
        content = {"recurring_run": name, "recurring_run_id": made.recurring_id, "cron": cron}
        print_json({**content, "change": made.change.value})
        return
    words = {
        Change.CREATED: "was created",
        Change.UPDATED: "was replaced by one with these arguments",
        Change.ADOPTED: "is there already, and is switched on",
    }
    stdout_console().say(f"the recurring run {name} {words[made.change]}: {cron}")


def _tell_removed(name: str, number: int, as_json: bool) -> None:
    if as_json:
        print_json({"recurring_run": name, "removed": number})
        return
    stdout_console().say(
        f"the recurring run {name} was removed" if number else f"there is no recurring run {name}"
    )
