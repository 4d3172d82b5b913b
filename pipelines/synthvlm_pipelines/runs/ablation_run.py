"""The run that compares: several selections, or recipes of training, of one pool."""

from typing import Any

from kfp import dsl

from synthvlm_pipelines.components.assemble import assemble
from synthvlm_pipelines.components.compare import compare
from synthvlm_pipelines.components.evaluate import evaluate
from synthvlm_pipelines.components.find_arms import find_arms
from synthvlm_pipelines.components.report import report
from synthvlm_pipelines.components.reselect import reselect
from synthvlm_pipelines.components.train import train
from synthvlm_pipelines.settings import PipelineSettings
from synthvlm_pipelines.steps import Steps, exit_step


def ablation_run(settings: PipelineSettings) -> Any:
    """The pipeline, compiled with these settings."""

    @dsl.pipeline(
        name="ablation-run",
        description="Selects from one pool in several ways, trains a model on each selection, and "
        "compares the models.",
    )
    def pipeline(
        run_name: str,
        store_uri: str,
        from_run: str,
        dataset_address: str,
        arms: list[str],
        code_version: str,
        profile: str = "",
        resume_command: str = "",
    ) -> str:
        """Selects, publishes, trains and evaluates for each arm, and compares it with the first.

        The pool is that of ``from_run``, a run of the same store that scored its images. An arm is
        JSON: a ``name``, and ``select_request``, ``assemble_request``, ``train_request`` and
        ``evaluate_request``. Gives its outcome as JSON.
        """
        ended = exit_step(
            report,
            settings,
            pipeline="ablation-run",
            run_name=run_name,
            store_uri=store_uri,
            profile=profile,
            resume_command=resume_command,
            stages=["find", "select", "assemble", "train", "evaluate", "compare"],
        )
        common = {"code_version": code_version, "run_name": run_name, "store_uri": store_uri}
        steps = Steps(settings, cached=False, **common)
        with dsl.ExitHandler(ended, name="stages"):
            found = steps(find_arms, from_run=from_run, arms=arms)
            with dsl.ParallelFor(
                found.output, name="arms", parallelism=settings.parallelism
            ) as arm:
                selected = steps(
                    reselect,
                    address=dataset_address,
                    request=arm.select_request,
                    item=arm.item,
                    from_run=from_run,
                )
                version = steps(
                    assemble,
                    address=dataset_address,
                    request=arm.assemble_request,
                    item=arm.item,
                    selected=selected.output,
                )
                trained = steps(
                    train, request=arm.train_request, item=arm.item, version=version.output
                )
                evaluated = steps(
                    evaluate, request=arm.evaluate_request, item=arm.item, model=trained.output
                )
            steps(compare, evaluated=dsl.Collected(evaluated.output))
        return ended.output

    return pipeline
