"""The exit step: however a run ended, its report is in the store."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def report(
    pipeline: str,
    run_name: str,
    store_uri: str,
    status: dsl.PipelineTaskFinalStatus,
    stages: list[str] = [],  # noqa: B006 - KFP reads the default from here
    profile: str = "",
    prices: str = "",
    resume_command: str = "",
    caption_file_digests: list[str] = [],  # noqa: B006 - KFP reads the default from here
    import_captions_request: str = "",
    curate_request: str = "",
    generate_request: str = "",
    score_request: str = "",
    select_request: str = "",
    assemble_request: str = "",
    train_request: str = "",
    evaluate_request: str = "",
) -> str:
    """Puts together what the steps have left, and writes the run's page and outcome.

    Then deletes the jobs that the run still has on the cluster.

    Args:
        pipeline: Name of the pipeline.
        run_name: Name of the run.
        store_uri: The run's object store.
        status: How the other steps ended; Kubeflow fills it in.
        stages: Stages of the run that have no request among the following.
        profile: Name of the run's profile.
        prices: What the run is charged for, the profile's section ``cost``, as JSON.
        resume_command: Command that goes on with the run, for whoever reads that it failed.
        caption_file_digests: Digests of the run's caption files.
        import_captions_request: The stage's request; empty where the run has no such stage.
        curate_request: As above.
        generate_request: As above.
        score_request: As above.
        select_request: As above.
        assemble_request: As above.
        train_request: As above.
        evaluate_request: As above.

    Returns:
        The run's outcome as JSON.
    """
    from synthvlm_pipelines.connection import ConnectionSettings
    from synthvlm_pipelines.ending import EndedRun, end_run
    from synthvlm_pipelines.jobs import end_jobs
    from synthvlm_pipelines.records import RunFolder

    arguments = {
        "profile": profile,
        "prices": prices,
        "resume_command": resume_command,
        "caption_file_digests": caption_file_digests,
        "import_captions_request": import_captions_request,
        "curate_request": curate_request,
        "generate_request": generate_request,
        "score_request": score_request,
        "select_request": select_request,
        "assemble_request": assemble_request,
        "train_request": train_request,
        "evaluate_request": evaluate_request,
    }
    told = "" if status.state == "SUCCEEDED" else f"{status.state}: {status.error_message}"
    run = EndedRun.of(
        arguments,
        attempt=ConnectionSettings().run_id,
        told=told,
        pipeline=pipeline,
        more_stages=stages,
    )
    outcome = end_run(RunFolder(store_uri, run_name), run)
    end_jobs(run_name)  # only now: the report is there whatever becomes of this
    return outcome.model_dump_json()
