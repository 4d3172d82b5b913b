"""Compiling pipelines to KFP's intermediate representation."""

from pathlib import Path
from typing import Any

from synthvlm_pipelines.settings import PipelineSettings


def pipelines(settings: PipelineSettings) -> list[Any]:
    """Every pipeline, with these settings."""
    from synthvlm_pipelines.runs.ablation_run import ablation_run
    from synthvlm_pipelines.runs.dataset_run import dataset_run
    from synthvlm_pipelines.runs.publication_run import publication_run
    from synthvlm_pipelines.runs.rescoring_run import rescoring_run
    from synthvlm_pipelines.runs.selection_run import selection_run
    from synthvlm_pipelines.runs.synthesis_run import synthesis_run
    from synthvlm_pipelines.runs.training_run import training_run

    makers = (
        dataset_run,
        selection_run,
        publication_run,
        synthesis_run,
        rescoring_run,
        training_run,
        ablation_run,
    )
    return [make(settings) for make in makers]


def compile_all(folder: Path, settings: PipelineSettings) -> list[Path]:
    """Writes every pipeline's IR YAML into ``folder``; the same source gives the same bytes.

    Args:
        folder: Where to.
        settings: What holds for all of them.

    Returns:
        The files.
    """
    from kfp import compiler

    folder.mkdir(parents=True, exist_ok=True)
    targets = []
    for pipeline in pipelines(settings):
        targets.append(folder / f"{pipeline.name}.yaml")
        compiler.Compiler().compile(pipeline, package_path=str(targets[-1]))
    return targets
