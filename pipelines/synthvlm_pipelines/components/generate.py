"""Generation: a CaptionSet becomes an ImageSet."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def generate(
    address: str,
    store_uri: str,
    item: str,
    curated: str,
    repeats: int,
    run_seed: str,
    parameters: str,
    image_format: str,
    model_digest: str,
    code_version: str,
) -> str:
    """Synthesises the images of a CaptionSet.

    Args:
        address: Address of the generation service.
        store_uri: Root of the run's object store.
        item: The loop's item.
        curated: The CurateResult as JSON.
        repeats: Images a caption.
        run_seed: Seed of the run, decimal; a text, because KFP's numbers lose digits above 2^53.
        parameters: SamplingParameters as JSON; what is left out takes the profile's value.
        image_format: Name of an ImageFormat; empty for the service's default.
        model_digest: The model that the run was submitted for.
        code_version: Version that the run was submitted for.

    Returns:
        The GenerateResult as JSON.
    """
    from synthvlm.caption.v1 import caption_pb2
    from synthvlm.client import GenerationClient
    from synthvlm.generation.v1 import generation_pb2
    from synthvlm.storage.v1 import shard_pb2
    from synthvlm_pipelines.stage import from_json, stage

    with (
        stage("generate", code_version, item) as current,
        GenerationClient(current.channel(address)) as client,
    ):
        request = generation_pb2.GenerateShardRequest(
            store=shard_pb2.ShardStore(uri=store_uri),
            caption_set=from_json(curated, caption_pb2.CurateResult()).caption_set,
            repeats=repeats,
            run_seed=int(run_seed),
            parameters=from_json(parameters, generation_pb2.SamplingParameters()),
            format=image_format or None,
            model_digest=model_digest,
        )
        result = client.generate_shard(request, on_progress=current.progress)
        return current.finish(result)
