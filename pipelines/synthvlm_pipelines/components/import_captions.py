"""The first step: caption files become pool shards."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def import_captions(
    address: str,
    request: str,
    caption_file_digests: list[str],
    code_version: str,
    run_name: str,
    store_uri: str,
    most_shards: int = 0,
) -> list[str]:
    """Reads caption files and commits pool shards.

    Args:
        address: Address of the caption service.
        request: The ImportCaptionsRequest as JSON.
        caption_file_digests: Digests of the request's files, for the pipeline's cache: file
            names say nothing about contents.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The run's object store.
        most_shards: Shards that the run may have; 0: any number.

    Returns:
        One JSON text per pool shard: the items that the run fans out over.
    """
    from synthvlm.caption.v1.caption_pb2 import ImportCaptionsRequest
    from synthvlm.client import CaptionClient
    from synthvlm_pipelines.requests import loop_items, stage_request
    from synthvlm_pipelines.stage import RunPlace, stage

    with (
        stage(
            "import", code_version, RunPlace(store_uri, run_name), [request, *caption_file_digests]
        ) as current,
        CaptionClient(current.channel(address)) as client,
    ):
        wanted = stage_request(request, ImportCaptionsRequest)
        result = client.import_captions(wanted, on_progress=current.progress)
        items = loop_items(result.shards, most_shards)
        current.finish(result)
    return items
