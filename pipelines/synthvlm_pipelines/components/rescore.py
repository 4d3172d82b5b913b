"""Scoring of images that an earlier run made."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def rescore(
    address: str, request: str, item: str, code_version: str, run_name: str, store_uri: str
) -> str:
    """Scores every image of a pool shard against its caption.

    Args:
        address: Address of the alignment service.
        request: The ScoreShardRequest as JSON, without the CaptionSet and the ImageSet.
        item: The loop's item: CaptionSet and ImageSet.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The run's object store.

    Returns:
        The three shards as JSON: CaptionSet, ImageSet and ScoreSet.
    """
    import json

    from synthvlm.alignment.v1.alignment_pb2 import ScoreShardRequest
    from synthvlm.client import AlignmentClient
    from synthvlm_pipelines.requests import stage_request
    from synthvlm_pipelines.stage import RunPlace, stage

    with (
        stage("score", code_version, RunPlace(store_uri, run_name), [request], item) as current,
        AlignmentClient(current.channel(address)) as client,
    ):
        wanted = stage_request(request, ScoreShardRequest, caption_set=item, image_set=item)
        result = current.finish(client.score_shard(wanted, on_progress=current.progress))
    shards = {name: json.loads(item)[name] for name in ("caption_set", "image_set")}
    return json.dumps({**shards, "score_set": json.loads(result)["score_set"]}, sort_keys=True)
