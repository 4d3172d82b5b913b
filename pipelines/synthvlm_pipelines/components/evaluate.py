"""Evaluation: what a model knows, in numbers."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    request: str,
    model: str,
    code_version: str,
    run_name: str,
    store_uri: str,
    item: str = "",
) -> str:
    """Asks a model the questions of the profile's benchmarks.

    Args:
        request: The EvaluationRequest as JSON, without the model.
        model: The model's shard as JSON, as ``train`` gives it.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The run's object store.
        item: The loop's item, where there is one.

    Returns:
        The evaluation's shard as JSON: store, path and digest.
    """
    from synthvlm_pipelines.jobs import evaluate as evaluate_model
    from synthvlm_pipelines.stage import RunPlace, stage

    with stage(
        "evaluate", code_version, RunPlace(store_uri, run_name), [request, model], item
    ) as current:
        evaluated = evaluate_model(request, model, current.job_progress, run_name)
        return current.finish(evaluated)
