"""``python -m synthvlm.scenes``: caption pools and contact sheets of the scene world."""

import argparse
from pathlib import Path

from synthvlm.scenes.files import write_captions, write_sheet


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m synthvlm.scenes", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (("captions", "write a caption pool"), ("sheet", "draw scenes")):
        command = commands.add_parser(name, help=about)
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--count", type=int, default=64)
        command.add_argument("--out", type=Path, required=True)
        if name == "captions":
            command.add_argument("--flawed", type=float, default=0.15)
    args = parser.parse_args()
    if args.command == "captions":
        write_captions(args.seed, args.count, args.flawed, args.out)
    else:
        write_sheet(args.seed, args.count, args.out)


if __name__ == "__main__":
    main()
