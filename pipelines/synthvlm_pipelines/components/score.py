"""Scoring: a CaptionSet and its ImageSet become a ScoreSet."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def score(
    address: str,
    store_uri: str,
    item: str,
    curated: str,
    generated: str,
    parameters: str,
    model_digest: str,
    code_version: str,
) -> str:
    """Scores every image against its caption.

    Args:
        address: Address of the alignment service.
        store_uri: Root of the run's object store.
        item: The loop's item.
        curated: The CurateResult as JSON.
        generated: The GenerateResult as JSON.
        parameters: ScoreParameters as JSON; what is left out takes the profile's value.
        model_digest: The model that the run was submitted for.
        code_version: Version that the run was submitted for.

    Returns:
        The ScoreResult as JSON.
    """
    from synthvlm.alignment.v1 import alignment_pb2
    from synthvlm.caption.v1 import caption_pb2
    from synthvlm.client import AlignmentClient
    from synthvlm.generation.v1 import generation_pb2
    from synthvlm.storage.v1 import shard_pb2
    from synthvlm_pipelines.stage import from_json, stage

    with (
        stage("score", code_version, item) as current,
        AlignmentClient(current.channel(address)) as client,
    ):
        request = alignment_pb2.ScoreShardRequest(
            store=shard_pb2.ShardStore(uri=store_uri),
            caption_set=from_json(curated, caption_pb2.CurateResult()).caption_set,
            image_set=from_json(generated, generation_pb2.GenerateResult()).image_set,
            parameters=from_json(parameters, alignment_pb2.ScoreParameters()),
            model_digest=model_digest,
        )
        result = client.score_shard(request, on_progress=current.progress)
        return current.finish(result)
