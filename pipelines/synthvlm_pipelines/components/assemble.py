"""Assembly: a Selection becomes a dataset version."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def assemble(
    address: str,
    store_uri: str,
    selected: str,
    name: str,
    shard_size: int,
    configuration: str,
    code_version: str,
) -> str:
    """Publishes a Selection.

    Args:
        address: Address of the dataset service.
        store_uri: Root of the run's object store.
        selected: The SelectResult as JSON.
        name: Name of the dataset.
        shard_size: Pairs an output shard holds; 0 for the service's value.
        configuration: The run's configuration as JSON, recorded in the version's manifest.
        code_version: Version that the run was submitted for.

    Returns:
        The VersionSummary as JSON.
    """
    from synthvlm.client import DatasetClient
    from synthvlm.dataset.v1 import dataset_pb2
    from synthvlm.storage.v1 import shard_pb2
    from synthvlm_pipelines.stage import from_json, stage

    with (
        stage("assemble", code_version) as current,
        DatasetClient(current.channel(address)) as client,
    ):
        request = dataset_pb2.AssembleRequest(
            store=shard_pb2.ShardStore(uri=store_uri),
            selection=from_json(selected, dataset_pb2.SelectResult()).selection,
            name=name,
            shard_size=shard_size,
            configuration_json=configuration,
        )
        version = client.assemble(request, on_progress=current.progress)
        return current.finish(version)
