"""Derives the pinned requirement files from the lock.

``lock.txt`` pins every package that any part of the project uses. The other files are what one
extra needs of it, so that an image installs no more than its service uses: the closure of the
extra's requirements, as the metadata of the installed packages states them.

    python requirements/derive.py          # write the files of the extras
    python requirements/derive.py --lock   # also write lock.txt, from what is installed

To change a version: install it into ``.venv``, run this with ``--lock``, run the tests.
"""

import argparse
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).parent
PYPROJECT = FOLDER.parent / "pyproject.toml"
BASE = "base"
"""Name of the file for the requirements that every extra shares."""


def declared() -> dict[str, list[str]]:
    """Requirements that ``pyproject.toml`` states, by extra, each with the shared ones."""
    content = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    shared: list[str] = content["project"]["dependencies"]
    extras: dict[str, list[str]] = content["project"]["optional-dependencies"]
    return {BASE: shared, **{extra: shared + own for extra, own in extras.items()}}


def build_requirements() -> list[str]:
    """What building the package needs; the lock has it, as no build is isolated."""
    content = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    requires: list[str] = content["build-system"]["requires"]
    return requires


def closure(requirements: Iterable[str]) -> dict[str, str]:
    """All packages that ``requirements`` need here, with the versions that are installed.

    Returns:
        Versions by canonical name.

    Raises:
        PackageNotFoundError: One of them is not installed.
    """
    pins: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(text), "") for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        package = distribution(name)
        pins[name] = package.version.partition("+")[0]
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(text), wanted) for text in package.requires or ()]
    return pins


def read_pins(path: Path) -> dict[str, str]:
    """Versions by name of a file that this module wrote."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def render(pins: dict[str, str], purpose: str) -> str:
    """Text of a requirement file."""
    header = f"# {purpose}. Written by requirements/derive.py.\n"
    return header + "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def files() -> dict[str, str]:
    """Content of the file of each extra, by file name."""
    return {
        f"{extra}.txt": render(
            closure(requirements),
            "What every service needs" if extra == BASE else f"What synthvlm[{extra}] needs",
        )
        for extra, requirements in declared().items()
    }


def lock() -> str:
    """Content of ``lock.txt``: all extras and what builds the package."""
    everything = [text for texts in declared().values() for text in texts]
    return render(closure(everything + build_requirements()), "Everything, for a checkout")


def main() -> None:
    """Writes the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lock", action="store_true", help="write lock.txt too")
    contents = files()
    if parser.parse_args().lock:
        contents["lock.txt"] = lock()
    for name, content in contents.items():
        (FOLDER / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
