"""The first step of an ablation: its arms, and the pool that all of them select from."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def find_arms(
    from_run: str, arms: list[str], code_version: str, run_name: str, store_uri: str
) -> list[dict[str, str]]:
    """Checks the arms, and finds the scored pool.

    Args:
        from_run: Name of the run that made the pool.
        arms: Each arm as JSON: a name and four requests.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The object store of both runs.

    Returns:
        The items that the run fans out over: their requests, and an ``item`` that numbers them.
    """
    from synthvlm_pipelines.earlier_run import arm_items, pool_of
    from synthvlm_pipelines.stage import RunPlace, stage

    with stage("find", code_version, RunPlace(store_uri, run_name), [from_run, *arms]) as current:
        items = arm_items(arms)
        pool = pool_of(store_uri, from_run, with_scores=True)
        current.finish(
            {
                "pool": [one.model_dump(mode="json") for one in pool],
                "arms": [item["item"] for item in items],
            }
        )
    return items
