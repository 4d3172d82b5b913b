"""Compiling pipelines to KFP's intermediate representation."""

from pathlib import Path


def compile_all(folder: Path) -> list[Path]:
    """Writes every pipeline's IR YAML into ``folder``; the same source gives the same bytes.

    Returns:
        The files.
    """
    from kfp import compiler

    from synthvlm_pipelines.dataset_run import dataset_run

    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "dataset-run.yaml"
    compiler.Compiler().compile(dataset_run, package_path=str(target))
    return [target]
