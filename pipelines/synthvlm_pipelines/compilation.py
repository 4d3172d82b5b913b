"""Compiling pipelines to KFP's intermediate representation."""

from pathlib import Path
from typing import Any

from synthvlm.errors import InvalidInput
from synthvlm_pipelines.settings import PipelineSettings

NAMES = (
    "dataset-run",
    "selection-run",
    "publication-run",
    "synthesis-run",
    "rescoring-run",
    "training-run",
    "ablation-run",
)
"""The pipelines by name."""


def pipeline_of(name: str, settings: PipelineSettings) -> Any:
    """A pipeline with these settings.

    Raises:
        InvalidInput: There is no such pipeline.
    """
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
    by_name = dict(zip(NAMES, makers, strict=True))
    if name not in by_name:
        raise InvalidInput(f"there is no pipeline {name!r}; give one of {', '.join(NAMES)}")
    return by_name[name](settings)


def compile_all(folder: Path, settings: PipelineSettings) -> list[Path]:
    """Writes every pipeline's IR YAML into ``folder``; the same source gives the same bytes.

    Args:
        folder: Where to.
        settings: What holds for all of them.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [compile_one(name, folder, settings) for name in NAMES]


def compile_one(name: str, folder: Path, settings: PipelineSettings) -> Path:
    """Writes a pipeline's IR YAML into ``folder``; the file is called after the pipeline.

    Raises:
        InvalidInput: There is no such pipeline.
    """
    from kfp import compiler

    target = folder / f"{name}.yaml"
    compiler.Compiler().compile(pipeline_of(name, settings), package_path=str(target))
    return target
