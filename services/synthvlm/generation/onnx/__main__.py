"""``python -m synthvlm.generation.onnx``: exports components to ONNX; `synthvlm engines` runs it.

It reports each finished component and the result as described in ``json_lines``.
"""

import argparse
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from synthvlm.errors import InvalidInput
from synthvlm.generation import json_lines
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.cpu import prepare_cpu
from synthvlm.generation.onnx.full_size_names import COMPONENTS
from synthvlm.serving.settings_sources import load_settings


def main(arguments: Sequence[str]) -> int:
    """Runs one command; returns the exit status."""
    parsed = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], dict[str, Any]] = parsed.command
    prepare_cpu()
    return json_lines.run(lambda: command(parsed))


def _model(parsed: argparse.Namespace) -> dict[str, Any]:
    from synthvlm.generation.onnx.exporter import export_model

    parsed.to.mkdir(parents=True, exist_ok=True)
    profile = {"profile": parsed.profile}
    settings = load_settings(GenerationSettings, "generation", command_line=profile)
    exported = export_model(
        settings.pipeline, parsed.to, lambda one: json_lines.tell(one.to_json())
    )
    return _result(parsed.to, len(exported))


def _random(parsed: argparse.Namespace) -> dict[str, Any]:
    if parsed.only not in COMPONENTS:
        raise InvalidInput(f"--only must be one of {', '.join(COMPONENTS)}, not {parsed.only!r}")
    import torch

    from synthvlm.generation.onnx.exporter import export_component
    from synthvlm.generation.onnx.full_size import make_component

    parsed.to.mkdir(parents=True, exist_ok=True)
    component, module = make_component(parsed.only, getattr(torch, parsed.dtype))
    exported = export_component(
        f"sdxl-{parsed.only}",
        component,
        module,
        parsed.to,
        parsed.threads,
        compare=not parsed.no_check,
    )
    json_lines.tell(exported.to_json())
    return _result(parsed.to, 1)


def _result(folder: Path, components: int) -> dict[str, Any]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"components": components, "folder": str(folder), "peak_mib": peak}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m synthvlm.generation.onnx")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    model = commands.add_parser("model", help="export all components of a profile")
    model.add_argument("--profile", required=True, help="a shipped profile, or a YAML file")
    model.add_argument("--to", type=Path, required=True, help="folder of the graphs")
    model.set_defaults(command=_model)
    sized = commands.add_parser(
        "random", help="export one full-size component of SDXL with random weights"
    )
    sized.add_argument("--only", required=True, metavar="COMPONENT", help="the component")
    sized.add_argument("--to", type=Path, required=True, help="folder of the graph")
    sized.add_argument("--dtype", choices=("float32", "float16"), default="float32")
    sized.add_argument("--threads", type=int, default=2)
    sized.add_argument("--no-check", action="store_true", help="do not compare with PyTorch")
    sized.set_defaults(command=_random)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
