"""``python -m synthvlm.generation.plans``: exports networks and builds plans.

``synthvlm engines`` and the Kubernetes Job run it. Each network is one JSON object on stdout when
it is done, and the result another one; logs and the reason of a failure go to stderr. Exit status
as of the services: 0 done, 2 wrong input or settings, 1 any other failure.
"""

import argparse
import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synthvlm.errors import DomainError, InvalidInput, NotFound
from synthvlm.generation.config import GenerationSettings
from synthvlm.serving.sources import load_settings


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    parsed = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], dict[str, Any]] = parsed.run
    try:
        _say(run(parsed))
    except (InvalidInput, NotFound) as error:
        return _failed(error.message, 2)
    except DomainError as error:
        return _failed(error.message, 1)
    return 0


def _build(parsed: argparse.Namespace) -> dict[str, Any]:
    from synthvlm.generation.plans.build import build_plans
    from synthvlm.storage import open_store

    settings = _settings(parsed.profile)
    uri = parsed.store or settings.tensorrt_store
    if settings.device == "cpu":
        raise InvalidInput("the profile computes on the CPU; engines are for one with device: cuda")
    if uri is None:
        raise InvalidInput("give --store, or tensorrt_store in the profile: where engines are kept")
    built = build_plans(
        settings,
        open_store(uri),
        heard=lambda one: _say(one.to_json()),
        captions=_captions(parsed.calibration),
    )
    return {"path": built.ref.path, "digest": built.ref.digest, "found": built.found}


def _export(parsed: argparse.Namespace) -> dict[str, Any]:
    from synthvlm.generation.plans.exporting import export_model

    parsed.to.mkdir(parents=True, exist_ok=True)
    settings = _settings(parsed.profile)
    networks = export_model(settings, parsed.to, lambda one: _say(one.to_json()))
    return {"networks": len(networks), "folder": str(parsed.to), **_memory()}


def _export_random(parsed: argparse.Namespace) -> dict[str, Any]:
    import torch

    from synthvlm.generation.plans.exporting import export_network
    from synthvlm.generation.plans.full_size import NETWORKS, make_network

    if parsed.only not in NETWORKS:
        raise InvalidInput(f"--only must be one of {', '.join(NETWORKS)}, not {parsed.only!r}")
    parsed.to.mkdir(parents=True, exist_ok=True)
    precision = getattr(torch, parsed.dtype)
    network, module = make_network(parsed.only, precision)
    name = f"sdxl-{parsed.only}"
    exported = export_network(
        name, network, module, parsed.to, parsed.threads, compare=not parsed.no_check
    )
    _say(exported.to_json())
    return {"networks": 1, "folder": str(parsed.to), **_memory()}


def _settings(profile: str) -> GenerationSettings:
    return load_settings(GenerationSettings, "generation", command_line={"profile": profile})


def _captions(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the captions {file} cannot be read: {error}") from error
    return [line.strip() for line in lines if line.strip()]


def _memory() -> dict[str, int]:
    return {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def _say(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def _failed(message: str, status: int) -> int:
    sys.stderr.write(f"{' '.join(message.split())}\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m synthvlm.generation.plans")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="build the plans of a profile on this GPU")
    build.add_argument("--profile", required=True, help="a shipped profile, or a YAML file")
    build.add_argument("--store", help="object store (default: the profile's tensorrt_store)")
    build.add_argument("--calibration", type=Path, help="captions, one a line, for fp8 and int8")
    build.set_defaults(run=_build)
    export = commands.add_parser("export", help="export all networks of a profile to ONNX")
    export.add_argument("--profile", required=True, help="a shipped profile, or a YAML file")
    export.add_argument("--to", type=Path, required=True, help="folder of the graphs")
    export.set_defaults(run=_export)
    sized = commands.add_parser("export-random", help="export one full-size SDXL network")
    sized.add_argument("--only", required=True, help="the network")
    sized.add_argument("--to", type=Path, required=True, help="folder of the graph")
    sized.add_argument("--dtype", choices=("float32", "float16"), default="float32")
    sized.add_argument("--threads", type=int, default=2)
    sized.add_argument("--no-check", action="store_true", help="do not compare with PyTorch")
    sized.set_defaults(run=_export_random)
    return parser


if __name__ == "__main__":
    sys.exit(main())
