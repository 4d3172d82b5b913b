"""The run that starts from a finished campaign: what people left of a selection is published."""

from typing import Any

from kfp import dsl

from synthvlm_pipelines.components.assemble import assemble
from synthvlm_pipelines.components.report import report
from synthvlm_pipelines.settings import PipelineSettings
from synthvlm_pipelines.steps import Steps, exit_step


def publication_run(settings: PipelineSettings) -> Any:
    """The pipeline, compiled with these settings."""

    @dsl.pipeline(
        name="publication-run",
        description="Publishes a selection without the pairs that people rejected.",
    )
    def pipeline(
        run_name: str,
        store_uri: str,
        dataset_address: str,
        assemble_request: str,
        selected: str,
        code_version: str,
        resume_command: str = "",
    ) -> str:
        """Publishes the selection of a ``selection-run``.

        ``selected`` is that run's outcome, or a SelectResult, as JSON; ``assemble_request`` has its
        ``review_set``. The run gives its outcome, with the dataset version, as JSON.
        """
        ended = exit_step(
            report,
            settings,
            pipeline="publication-run",
            run_name=run_name,
            store_uri=store_uri,
            resume_command=resume_command,
            assemble_request=assemble_request,
        )
        common = {"code_version": code_version, "run_name": run_name, "store_uri": store_uri}
        steps = Steps(settings, cached=False, **common)
        with dsl.ExitHandler(ended, name="stages"):
            steps(assemble, address=dataset_address, request=assemble_request, selected=selected)
        return ended.output

    return pipeline
