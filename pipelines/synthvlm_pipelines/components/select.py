"""Selection: the best pairs of all ScoreSets."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def select(
    address: str,
    request: str,
    curated: list[str],
    generated: list[str],
    scored: list[str],
    code_version: str,
    run_name: str,
    store_uri: str,
) -> str:
    """Selects the best image of each caption, then the best captions overall.

    Args:
        address: Address of the dataset service.
        request: The SelectRequest as JSON, without the shards.
        curated: The CurateResult of every shard as JSON.
        generated: The GenerateResult of every shard as JSON, in the same order.
        scored: The ScoreResult of every shard as JSON, in the same order.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The run's object store.

    Returns:
        The SelectResult as JSON.
    """
    from synthvlm.client import DatasetClient
    from synthvlm.dataset.v1.dataset_pb2 import SelectRequest
    from synthvlm_pipelines.requests import stage_request, with_shards
    from synthvlm_pipelines.stage import RunPlace, stage

    with (
        stage(
            "select",
            code_version,
            RunPlace(store_uri, run_name),
            [request, *curated, *generated, *scored],
        ) as current,
        DatasetClient(current.channel(address)) as client,
    ):
        wanted = stage_request(request, SelectRequest)
        wanted.ClearField("shards")
        for captions, images, scores in zip(curated, generated, scored, strict=True):
            with_shards(
                wanted.shards.add(), caption_set=captions, image_set=images, score_set=scores
            )
        return current.finish(client.select(wanted, on_progress=current.progress))
