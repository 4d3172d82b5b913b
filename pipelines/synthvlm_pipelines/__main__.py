"""``python -m synthvlm_pipelines``: compile the pipelines, or run one on this machine."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from synthvlm.errors import DomainError, InvalidInput


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    try:
        if options.command == "compile":
            from synthvlm_pipelines.compilation import compile_all
            from synthvlm_pipelines.settings import pipeline_settings

            for path in compile_all(options.out, pipeline_settings(options.profile)):
                sys.stdout.write(f"{path}\n")
        else:
            from synthvlm_pipelines.local import end_with_steps, run_dataset

            run_arguments = _arguments(options.arguments)
            end_with_steps()
            version = run_dataset(run_arguments, options.root)
            sys.stdout.write(f"{version}\n")
    except DomainError as error:
        sys.stderr.write(f"synthvlm_pipelines: {error.message}\n")
        return 2 if isinstance(error, InvalidInput) else 1
    return 0


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
    run_command = commands.add_parser("run", help="run the dataset pipeline through kfp.local")
    run_command.add_argument(
        "--arguments", type=Path, required=True, help="JSON file with the pipeline's arguments"
    )
    run_command.add_argument(
        "--root", type=Path, required=True, help="folder for what KFP writes (steps, temporaries)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
