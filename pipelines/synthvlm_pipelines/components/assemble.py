"""Assembly: a Selection becomes a dataset version."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def assemble(
    address: str,
    request: str,
    selected: str,
    code_version: str,
    run_name: str,
    store_uri: str,
    item: str = "",
) -> str:
    """Publishes a Selection.

    Args:
        address: Address of the dataset service.
        request: The AssembleRequest as JSON, without the Selection.
        selected: The SelectResult as JSON.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The run's object store.
        item: The loop's item, where there is one.

    Returns:
        The VersionSummary as JSON.
    """
    from synthvlm.client import DatasetClient
    from synthvlm.dataset.v1.dataset_pb2 import AssembleRequest
    from synthvlm_pipelines.requests import stage_request
    from synthvlm_pipelines.stage import RunPlace, stage

    with (
        stage(
            "assemble", code_version, RunPlace(store_uri, run_name), [request, selected], item
        ) as current,
        DatasetClient(current.channel(address)) as client,
    ):
        wanted = stage_request(request, AssembleRequest, selection=selected)
        return current.finish(client.assemble(wanted, on_progress=current.progress))
