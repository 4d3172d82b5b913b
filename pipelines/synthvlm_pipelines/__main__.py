"""``python -m synthvlm_pipelines``: compile pipelines, tell their size, run one on this machine."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from synthvlm.errors import DomainError, InvalidInput
from synthvlm.heap import put_off_full_collections


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    put_off_full_collections()
    commands = {"compile": _compile, "size": _size, "run": _run}
    try:
        commands[options.command](options)
    except DomainError as error:
        sys.stderr.write(f"synthvlm_pipelines: {error.message}\n")
        return 2 if isinstance(error, InvalidInput) else 1
    return 0


def _compile(options: argparse.Namespace) -> None:
    from synthvlm_pipelines.compilation import compile_all
    from synthvlm_pipelines.settings import pipeline_settings

    for path in compile_all(options.out, pipeline_settings(options.profile)):
        sys.stdout.write(f"{path}\n")


def _size(options: argparse.Namespace) -> None:
    from synthvlm_pipelines.compilation import compile_one
    from synthvlm_pipelines.settings import pipeline_settings
    from synthvlm_pipelines.workflow_size import workflow_size

    with tempfile.TemporaryDirectory() as folder:
        settings = pipeline_settings(options.profile)
        compiled = compile_one(options.pipeline, Path(folder), settings)
        pipeline, platform = yaml.safe_load_all(compiled.read_text(encoding="utf-8"))
    size = workflow_size(pipeline, platform, _arguments(options.arguments), options.shards)
    sys.stdout.write(f"{json.dumps(asdict(size))}\n")
    size.check()


def _run(options: argparse.Namespace) -> None:
    from synthvlm_pipelines.local import end_with_steps, run_local

    run_arguments = _arguments(options.arguments)
    end_with_steps()
    sys.stdout.write(f"{run_local(run_arguments, options.root, options.pipeline)}\n")


def _arguments(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"--arguments {file} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InvalidInput(f"--arguments {file} must be a JSON object of arguments")
    return content


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m synthvlm_pipelines", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    compile_command = commands.add_parser("compile", help="write the pipelines' IR YAML")
    compile_command.add_argument("--out", type=Path, required=True, help="folder to write to")
    compile_command.add_argument(
        "--profile", help="profile whose section `pipelines` says where steps run: a name or a file"
    )
    size_command = commands.add_parser(
        "size", help="estimate a run's Workflow on a cluster, and refuse one that is too large"
    )
    size_command.add_argument("--pipeline", default="dataset-run", help="name of the pipeline")
    size_command.add_argument(
        "--arguments", type=Path, required=True, help="JSON file with the pipeline's arguments"
    )
    size_command.add_argument(
        "--shards", type=int, required=True, help="shards of the run, or arms of an ablation"
    )
    size_command.add_argument("--profile", help="as of compile")
    run_command = commands.add_parser("run", help="run a pipeline through kfp.local")
    run_command.add_argument(
        "--pipeline",
        default="",
        help="name of the pipeline; by default the dataset run, or the one up to the selection if "
        "there is no assemble_request",
    )
    run_command.add_argument(
        "--arguments", type=Path, required=True, help="JSON file with the pipeline's arguments"
    )
    run_command.add_argument(
        "--root", type=Path, required=True, help="folder for what KFP writes (steps, temporaries)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
