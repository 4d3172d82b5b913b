"""Curation: the captions of a pool shard that are good enough become a CaptionSet."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def curate(address: str, store_uri: str, item: str, recipe_yaml: str, code_version: str) -> str:
    """Applies a recipe to a pool shard.

    Args:
        address: Address of the caption service.
        store_uri: Root of the run's object store.
        item: The loop's item: the pool shard.
        recipe_yaml: A Data-Juicer recipe, or paper-rules; empty for the service's.
        code_version: Version that the run was submitted for.

    Returns:
        The CurateResult as JSON.
    """
    from synthvlm.caption.v1 import caption_pb2
    from synthvlm.client import CaptionClient
    from synthvlm.storage.v1 import shard_pb2
    from synthvlm_pipelines.stage import pool_shard, stage

    with (
        stage("curate", code_version, item) as current,
        CaptionClient(current.channel(address)) as client,
    ):
        request = caption_pb2.CurateShardRequest(
            store=shard_pb2.ShardStore(uri=store_uri),
            pool=pool_shard(item),
            recipe_yaml=recipe_yaml,
        )
        result = client.curate_shard(request, on_progress=current.progress)
        return current.finish(result)
