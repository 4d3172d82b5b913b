"""Evaluation: what a model knows, in numbers."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(request: str, model: str, code_version: str) -> str:
    """Asks a model the questions of the profile's benchmarks.

    Args:
        request: The EvaluationRequest as JSON, without the model.
        model: The model's shard as JSON, as ``train`` gives it.
        code_version: Version that the run was submitted for.

    Returns:
        The evaluation's shard as JSON: store, path and digest.
    """
    from synthvlm_pipelines.jobs import evaluate as evaluate_model
    from synthvlm_pipelines.stage import stage

    with stage("evaluate", code_version) as current:
        return current.finish(evaluate_model(request, model, current.job_progress))
