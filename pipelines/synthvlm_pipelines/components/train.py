"""Training: a dataset version becomes a model."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    request: str,
    version: str,
    code_version: str,
    run_name: str,
    store_uri: str,
    item: str = "",
) -> str:
    """Trains a vision-language model on a dataset version.

    Args:
        request: The TrainingRequest as JSON, without the dataset.
        version: The VersionSummary as JSON.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The run's object store.
        item: The loop's item, where there is one.

    Returns:
        The model's shard as JSON: store, path and digest, and whether it was found made.
    """
    from synthvlm_pipelines.jobs import train as train_on
    from synthvlm_pipelines.stage import RunPlace, stage

    with stage(
        "train", code_version, RunPlace(store_uri, run_name), [request, version], item
    ) as current:
        return current.finish(train_on(request, version, current.job_progress, run_name))
