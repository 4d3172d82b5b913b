"""Trains all mini models, stage by stage: ``python -m synthvlm.scenes.mini_models.train``."""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from synthvlm.scenes.mini_models.train.stages import ENVIRONMENT, STAGES, environment


def main() -> None:
    """Trains all mini models anew; takes hours, and resumes where it was stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m synthvlm.scenes.mini_models.train", description=main.__doc__
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/mini-models"),
        help="folder of all stages; the models go to OUT/weights",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the commands and run none of them"
    )
    args = parser.parse_args()
    settings = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
    for number, stage in enumerate(STAGES, 1):
        command = stage.command(args.out)
        print(f"# {number} of {len(STAGES)}: {stage.purpose} ({stage.minutes} minutes)")
        print(settings, shlex.join(command), flush=True)
        if args.dry_run:
            continue
        done = subprocess.run(command, env=environment(), check=False)
        if done.returncode:
            sys.exit(f"stage {number} ({stage.module}) failed; the same command resumes it")


if __name__ == "__main__":
    main()
