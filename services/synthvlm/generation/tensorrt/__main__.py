"""``python -m synthvlm.generation.tensorrt``: builds the engines of a profile on this GPU.

`synthvlm engines build` and the Kubernetes Job run it. It reports each component whose engine is
built, and the result, as described in ``json_lines``.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from synthvlm.errors import InvalidInput
from synthvlm.generation import json_lines
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.cpu import prepare_cpu
from synthvlm.generation.tensorrt.target import detect
from synthvlm.serving.settings_sources import load_settings
from synthvlm.storage import open_store, parse_location


def main(arguments: Sequence[str]) -> int:
    """Builds; returns the exit status."""
    parsed = _parser().parse_args(arguments)
    prepare_cpu()
    return json_lines.run(lambda: _build(parsed.profile, parsed.store))


def _build(profile: str, store: str | None) -> dict[str, Any]:
    settings = load_settings(GenerationSettings, "generation", command_line={"profile": profile})
    uri = store or settings.tensorrt.store
    if settings.pipeline.device == "cpu":
        raise InvalidInput(
            "the profile computes on the CPU; engines are for one with pipeline.device: cuda"
        )
    if uri is None:
        raise InvalidInput("give --store, or tensorrt.store in the profile, to store engines in")
    target = detect(settings.pipeline.device)
    # It loads PyTorch and diffusers: seconds, which nobody should wait for an error.
    from synthvlm.generation.tensorrt.build import build_engines

    built = build_engines(
        settings,
        target,
        open_store(parse_location(uri)),
        heard=lambda one: json_lines.tell(one.to_json()),
    )
    return {"path": built.ref.path, "digest": built.ref.digest, "found": built.found}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m synthvlm.generation.tensorrt")
    parser.add_argument("--profile", required=True, help="a shipped profile, or a YAML file")
    parser.add_argument("--store", help="object store (default: the profile's tensorrt.store)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
