"""Selection: the best pairs of all ScoreSets."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def select(
    address: str,
    store_uri: str,
    curated: list[str],
    generated: list[str],
    scored: list[str],
    rule: str,
    code_version: str,
) -> str:
    """Selects the best image of each caption, then the best captions overall.

    Args:
        address: Address of the dataset service.
        store_uri: Root of the run's object store.
        curated: The CurateResult of every shard as JSON.
        generated: The GenerateResult of every shard as JSON, in the same order.
        scored: The ScoreResult of every shard as JSON, in the same order.
        rule: SelectionRule as JSON.
        code_version: Version that the run was submitted for.

    Returns:
        The SelectResult as JSON.
    """
    from synthvlm.alignment.v1 import alignment_pb2
    from synthvlm.caption.v1 import caption_pb2
    from synthvlm.client import DatasetClient
    from synthvlm.dataset.v1 import dataset_pb2
    from synthvlm.generation.v1 import generation_pb2
    from synthvlm.storage.v1 import shard_pb2
    from synthvlm_pipelines.stage import from_json, stage

    with (
        stage("select", code_version) as current,
        DatasetClient(current.channel(address)) as client,
    ):
        request = dataset_pb2.SelectRequest(
            store=shard_pb2.ShardStore(uri=store_uri),
            shards=[
                dataset_pb2.ShardChain(
                    caption_set=from_json(captions, caption_pb2.CurateResult()).caption_set,
                    image_set=from_json(images, generation_pb2.GenerateResult()).image_set,
                    score_set=from_json(scores, alignment_pb2.ScoreResult()).score_set,
                )
                for captions, images, scores in zip(curated, generated, scored, strict=True)
            ],
            rule=from_json(rule, dataset_pb2.SelectionRule()),
        )
        result = client.select(request, on_progress=current.progress)
        return current.finish(result)
