"""Generation: a CaptionSet becomes an ImageSet."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def generate(
    address: str,
    request: str,
    item: str,
    curated: str,
    code_version: str,
    run_name: str,
    store_uri: str,
) -> str:
    """Synthesises the images of a CaptionSet.

    Args:
        address: Address of the generation service.
        request: The GenerateShardRequest as JSON, without the CaptionSet.
        item: The loop's item.
        curated: The CurateResult as JSON.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The run's object store.

    Returns:
        The GenerateResult as JSON.
    """
    from synthvlm.client import GenerationClient
    from synthvlm.generation.v1.generation_pb2 import GenerateShardRequest
    from synthvlm_pipelines.requests import stage_request
    from synthvlm_pipelines.stage import RunPlace, stage

    with (
        stage(
            "generate", code_version, RunPlace(store_uri, run_name), [request, curated], item
        ) as current,
        GenerationClient(current.channel(address)) as client,
    ):
        wanted = stage_request(request, GenerateShardRequest, caption_set=curated)
        return current.finish(client.generate_shard(wanted, on_progress=current.progress))
