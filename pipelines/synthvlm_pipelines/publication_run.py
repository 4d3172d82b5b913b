"""The run that starts from a finished campaign: what people left of a selection is published."""

from kfp import dsl

from synthvlm_pipelines.components.assemble import assemble


@dsl.pipeline(
    name="publication-run",
    description="Publishes a selection without the pairs that people rejected.",
)
def publication_run(
    dataset_address: str, assemble_request: str, selected: str, code_version: str
) -> str:
    """Publishes the selection of a ``selection_run``.

    Args:
        dataset_address: Address of the dataset service.
        assemble_request: The AssembleRequest as JSON, with its ``review_set``.
        selected: The SelectResult as JSON.
        code_version: Version that the run is submitted for.

    Returns:
        The VersionSummary as JSON.
    """
    version = assemble(
        address=dataset_address,
        request=assemble_request,
        selected=selected,
        code_version=code_version,
    )
    return version.output
