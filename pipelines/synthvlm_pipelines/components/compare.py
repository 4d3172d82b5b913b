"""The last step of an ablation: the arms side by side."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def compare(evaluated: list[str], code_version: str, run_name: str, store_uri: str) -> str:
    """Compares every arm's model with the first arm's.

    Args:
        evaluated: The evaluations' shards as JSON, in the order of the arms.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The run's object store.

    Returns:
        The headlines of each arm, and the comparisons' shards, as JSON.
    """
    from synthvlm_pipelines.jobs import compare_evaluations
    from synthvlm_pipelines.stage import RunPlace, stage

    with stage("compare", code_version, RunPlace(store_uri, run_name), evaluated) as current:
        return current.finish(compare_evaluations(store_uri, evaluated))
