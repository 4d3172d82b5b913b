"""The run that starts from a finished campaign: what people left of a selection is published."""

from kfp import dsl

from synthvlm_pipelines.components.assemble import assemble
from synthvlm_pipelines.components.report import report


@dsl.pipeline(
    name="publication-run",
    description="Publishes a selection without the pairs that people rejected.",
)
def publication_run(
    run_name: str,
    store_uri: str,
    dataset_address: str,
    assemble_request: str,
    selected: str,
    code_version: str,
    resume_command: str = "",
) -> str:
    """Publishes the selection of a ``selection_run``.

    Args:
        run_name: Name of this run.
        store_uri: The object store of both.
        dataset_address: Address of the dataset service.
        assemble_request: The AssembleRequest as JSON, with its ``review_set``.
        selected: The outcome of the ``selection_run``, or a SelectResult, as JSON.
        code_version: Version that the run is submitted for.
        resume_command: Command that goes on with it, for the report of a run that failed.

    Returns:
        The outcome as JSON, with the dataset version.
    """
    ended = report(
        pipeline="publication-run",
        run_name=run_name,
        store_uri=store_uri,
        resume_command=resume_command,
        assemble_request=assemble_request,
    ).set_caching_options(False)
    with dsl.ExitHandler(ended, name="stages"):
        assemble(
            address=dataset_address,
            request=assemble_request,
            selected=selected,
            code_version=code_version,
            run_name=run_name,
            store_uri=store_uri,
        )
    return ended.output
