"""The run that scores and selects anew: other scores, or another rule, of the same images."""

from typing import Any

from kfp import dsl

from synthvlm_pipelines.components.assemble import assemble
from synthvlm_pipelines.components.find_pool import find_pool
from synthvlm_pipelines.components.report import report
from synthvlm_pipelines.components.rescore import rescore
from synthvlm_pipelines.components.select import select
from synthvlm_pipelines.settings import PipelineSettings
from synthvlm_pipelines.steps import Steps, exit_step


def rescoring_run(settings: PipelineSettings) -> Any:
    """The pipeline, compiled with these settings."""

    @dsl.pipeline(
        name="rescoring-run",
        description="Scores the images of an earlier run, selects the best pairs, and publishes "
        "them if asked to.",
    )
    def pipeline(
        run_name: str,
        store_uri: str,
        from_run: str,
        alignment_address: str,
        dataset_address: str,
        score_request: str,
        select_request: str,
        code_version: str,
        assemble_request: str = "",
        profile: str = "",
        resume_command: str = "",
    ) -> str:
        """Scores and selects from the images of the run ``from_run``, whose store it shares.

        Publishes the selection if it has an ``assemble_request``. Gives its outcome as JSON.
        """
        ended = exit_step(
            report,
            settings,
            pipeline="rescoring-run",
            run_name=run_name,
            store_uri=store_uri,
            profile=profile,
            resume_command=resume_command,
            stages=["find"],
            score_request=score_request,
            select_request=select_request,
            assemble_request=assemble_request,
        )
        common = {"code_version": code_version, "run_name": run_name, "store_uri": store_uri}
        steps = Steps(settings, cached=False, **common)
        with dsl.ExitHandler(ended, name="stages"):
            pool = steps(find_pool, from_run=from_run)
            with dsl.ParallelFor(
                pool.output, name="shards", parallelism=settings.parallelism
            ) as item:
                scored = steps(rescore, address=alignment_address, request=score_request, item=item)
            selected = steps(
                select,
                address=dataset_address,
                request=select_request,
                curated=dsl.Collected(scored.output),
                generated=dsl.Collected(scored.output),
                scored=dsl.Collected(scored.output),
            )
            with dsl.If(assemble_request != "", name="published"):
                steps(
                    assemble,
                    address=dataset_address,
                    request=assemble_request,
                    selected=selected.output,
                )
        return ended.output

    return pipeline
