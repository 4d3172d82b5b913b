"""The first step of a run that begins with the images of an earlier one."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def find_pool(from_run: str, code_version: str, run_name: str, store_uri: str) -> list[str]:
    """Finds what an earlier run made of each pool shard.

    Args:
        from_run: Name of the earlier run.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The object store of both.

    Returns:
        One JSON text per shard: the items that the run fans out over.
    """
    from synthvlm_pipelines.earlier_run import pool_items, pool_of
    from synthvlm_pipelines.stage import RunPlace, stage

    with stage("find", code_version, RunPlace(store_uri, run_name), [from_run]) as current:
        pool = pool_of(store_uri, from_run)
        current.finish({"pool": [one.model_dump(mode="json") for one in pool]})
    return pool_items(pool)
