"""Curation: the good captions of a pool shard become a CaptionSet."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def curate(
    address: str,
    request: str,
    item: str,
    code_version: str,
    run_name: str,
    store_uri: str,
) -> str:
    """Applies a recipe to a pool shard.

    Args:
        address: Address of the caption service.
        request: The CurateShardRequest as JSON, without the pool shard.
        item: The loop's item: the pool shard.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The run's object store.

    Returns:
        The CurateResult as JSON.
    """
    from synthvlm.caption.v1.caption_pb2 import CurateShardRequest
    from synthvlm.client import CaptionClient
    from synthvlm_pipelines.requests import stage_request
    from synthvlm_pipelines.stage import RunPlace, stage

    with (
        stage("curate", code_version, RunPlace(store_uri, run_name), [request], item) as current,
        CaptionClient(current.channel(address)) as client,
    ):
        wanted = stage_request(request, CurateShardRequest, pool=item)
        return current.finish(client.curate_shard(wanted, on_progress=current.progress))
