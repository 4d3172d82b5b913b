"""The run that trains on a dataset version that there is, and evaluates the model."""

from typing import Any

from kfp import dsl

from synthvlm_pipelines.components.evaluate import evaluate
from synthvlm_pipelines.components.find_version import find_version
from synthvlm_pipelines.components.report import report
from synthvlm_pipelines.components.train import train
from synthvlm_pipelines.settings import PipelineSettings
from synthvlm_pipelines.steps import Steps, exit_step


def training_run(settings: PipelineSettings) -> Any:
    """The pipeline, compiled with these settings."""

    @dsl.pipeline(
        name="training-run",
        description="Trains a model on a dataset version, and evaluates it if asked to.",
    )
    def pipeline(
        run_name: str,
        store_uri: str,
        dataset_address: str,
        version: str,
        train_request: str,
        code_version: str,
        evaluate_request: str = "",
        profile: str = "",
        resume_command: str = "",
    ) -> str:
        """Trains on ``version``: ``NAME``, ``NAME@NUMBER`` or ``NAME@sha256:…``.

        Evaluates the model if it has an ``evaluate_request``. Gives its outcome as JSON.
        """
        ended = exit_step(
            report,
            settings,
            pipeline="training-run",
            run_name=run_name,
            store_uri=store_uri,
            profile=profile,
            resume_command=resume_command,
            stages=["find"],
            train_request=train_request,
            evaluate_request=evaluate_request,
        )
        common = {"code_version": code_version, "run_name": run_name, "store_uri": store_uri}
        steps = Steps(settings, cached=False, **common)
        with dsl.ExitHandler(ended, name="stages"):
            found = steps(find_version, address=dataset_address, version=version)
            trained = steps(train, request=train_request, version=found.output)
            with dsl.If(evaluate_request != "", name="evaluated"):
                steps(evaluate, request=evaluate_request, model=trained.output)
        return ended.output

    return pipeline
