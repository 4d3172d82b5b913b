"""Selection from the scored pool of an earlier run, for one arm of an ablation."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def reselect(
    address: str,
    request: str,
    item: str,
    from_run: str,
    code_version: str,
    run_name: str,
    store_uri: str,
) -> str:
    """Selects the best image of each caption, then the best captions overall.

    Args:
        address: Address of the dataset service.
        request: The SelectRequest as JSON, without the shards.
        item: The loop's item: which arm this is.
        from_run: Name of the run that made the pool.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The object store of both runs.

    Returns:
        The SelectResult as JSON.
    """
    from synthvlm.client import DatasetClient
    from synthvlm.dataset.v1.dataset_pb2 import SelectRequest
    from synthvlm_pipelines.earlier_run import pool_items, pool_of
    from synthvlm_pipelines.requests import stage_request, with_shards
    from synthvlm_pipelines.stage import RunPlace, stage

    place = RunPlace(store_uri, run_name)
    with (
        stage("select", code_version, place, [request, from_run], item) as current,
        DatasetClient(current.channel(address)) as client,
    ):
        wanted = stage_request(request, SelectRequest)
        wanted.ClearField("shards")
        for shard in pool_items(pool_of(store_uri, from_run, with_scores=True)):
            with_shards(wanted.shards.add(), caption_set=shard, image_set=shard, score_set=shard)
        return current.finish(client.select(wanted, on_progress=current.progress))
