"""The first step of a run that trains on a dataset version that there is."""

from kfp import dsl

from synthvlm_pipelines.settings import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def find_version(
    address: str, version: str, code_version: str, run_name: str, store_uri: str
) -> str:
    """Looks a dataset version up in the catalogue.

    Args:
        address: Address of the dataset service.
        version: ``NAME``, ``NAME@NUMBER`` or ``NAME@sha256:…``.
        code_version: Version that the run was submitted for.
        run_name: Name of the run.
        store_uri: The run's object store.

    Returns:
        The VersionSummary as JSON.
    """
    from synthvlm.client import DatasetClient
    from synthvlm.dataset.v1.dataset_pb2 import GetVersionRequest
    from synthvlm_pipelines.stage import RunPlace, stage

    with (
        stage("find", code_version, RunPlace(store_uri, run_name), [version]) as current,
        DatasetClient(current.channel(address)) as client,
    ):
        found = client.get_version(GetVersionRequest(version=version))
        return current.finish(found.summary)
