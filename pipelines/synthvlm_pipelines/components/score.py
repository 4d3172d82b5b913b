"""Scoring: a CaptionSet and its ImageSet become a ScoreSet."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def score(
    address: str,
    request: str,
    item: str,
    curated: str,
    generated: str,
    code_version: str,
    run_name: str,
    store_uri: str,
) -> str:
    """Scores every image against its caption.

    Args:
        address: Address of the alignment service.
        request: The ScoreShardRequest as JSON, without the CaptionSet and the ImageSet.
        item: The loop's item.
        curated: The CurateResult as JSON.
        generated: The GenerateResult as JSON.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The run's object store.

    Returns:
        The ScoreResult as JSON.
    """
    from synthvlm.alignment.v1.alignment_pb2 import ScoreShardRequest
    from synthvlm.client import AlignmentClient
    from synthvlm_pipelines.requests import stage_request
    from synthvlm_pipelines.stage import RunPlace, stage

    with (
        stage(
            "score",
            code_version,
            RunPlace(store_uri, run_name),
            [request, curated, generated],
            item,
        ) as current,
        AlignmentClient(current.channel(address)) as client,
    ):
        wanted = stage_request(request, ScoreShardRequest, caption_set=curated, image_set=generated)
        return current.finish(client.score_shard(wanted, on_progress=current.progress))
