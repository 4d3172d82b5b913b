"""The first step: caption files become pool shards."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def import_captions(
    address: str,
    store_uri: str,
    files: list[str],
    file_digests: list[str],
    column: str,
    shard_size: int,
    code_version: str,
) -> list[str]:
    """Reads caption files and commits pool shards.

    Args:
        address: Address of the caption service.
        store_uri: Root of the run's object store.
        files: Absolute paths or object-store URLs of the caption files.
        file_digests: Digests of the files, for the pipeline's cache: names say nothing of contents.
        column: Name of the text column or key; empty for the usual ones.
        shard_size: Captions a pool shard holds; 0 for the service's value.
        code_version: Version that the run was submitted for.

    Returns:
        One JSON text a pool shard: what the run fans out over.
    """
    from synthvlm.caption.v1 import caption_pb2
    from synthvlm.client import CaptionClient
    from synthvlm.storage.v1 import shard_pb2
    from synthvlm_pipelines.stage import loop_items, stage

    del file_digests
    request = caption_pb2.ImportCaptionsRequest(
        store=shard_pb2.ShardStore(uri=store_uri),
        files=files,
        column=column,
        shard_size=shard_size,
    )
    with (
        stage("import", code_version) as current,
        CaptionClient(current.channel(address)) as client,
    ):
        result = client.import_captions(request, on_progress=current.progress)
        items = loop_items(list(result.shards))
        current.finish(result)
    return items
