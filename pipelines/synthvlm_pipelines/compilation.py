"""Compiling pipelines to KFP's intermediate representation."""

from pathlib import Path


def compile_all(folder: Path) -> list[Path]:
    """Writes every pipeline's IR YAML into ``folder``; the same source gives the same bytes.

    Returns:
        The files.
    """
    from kfp import compiler

    from synthvlm_pipelines.dataset_run import dataset_run
    from synthvlm_pipelines.publication_run import publication_run
    from synthvlm_pipelines.selection_run import selection_run

    folder.mkdir(parents=True, exist_ok=True)
    targets = []
    for pipeline in (dataset_run, selection_run, publication_run):
        targets.append(folder / f"{pipeline.name}.yaml")
        compiler.Compiler().compile(pipeline, package_path=str(targets[-1]))
    return targets
