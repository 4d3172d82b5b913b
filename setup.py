"""Builds the gRPC stubs from ``protos/``; everything else is declared in ``pyproject.toml``.

``make protos`` runs the same ``generate`` as ``pip install`` does, so a checkout, a wheel and an
image hold the same stubs. They are never committed.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import Command, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
PROTOS = ROOT / "protos"
SOURCES = ROOT / "services"


def generate(destination: Path) -> None:
    """Generates the stubs of all protos below ``destination``.

    They are made in a temporary folder and only differing files are replaced, so that a process
    that imports them meanwhile never finds one missing; stubs of protos that are gone are removed.

    Raises:
        CalledProcessError: The compiler rejected a proto; it has said why on stderr.
    """
    protos = sorted(str(path) for path in PROTOS.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        outputs = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", *outputs, *protos],
            check=True,
        )
        for package in {path.parent for path in Path(folder).rglob("*_pb2.py")}:
            (package / "__init__.py").touch()
        made = {path.relative_to(folder): path for path in Path(folder).rglob("*.py*")}
        for relative, path in made.items():
            target = destination / relative
            if not target.is_file() or target.read_bytes() != path.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                fresh = target.with_name(f"{target.name}.new")
                shutil.copyfile(path, fresh)
                fresh.replace(target)
    for path in destination.glob("synthvlm/*/v1/*.py*"):
        if path.relative_to(destination) not in made:
            path.unlink()


class BuildWithStubs(build_py):
    """Adds the stubs to what is built: to the source tree when the installation is editable."""

    def run(self) -> None:
        """Builds the package, then the stubs into it."""
        super().run()
        generate(SOURCES if self.editable_mode else Path(self.build_lib))


class Protos(Command):
    """``python setup.py protos``: the stubs for a checkout that is installed already."""

    description = "generate the gRPC stubs into the source tree"
    user_options: list[tuple[str, str, str]] = []  # noqa: RUF012 - the attribute setuptools reads

    def initialize_options(self) -> None:
        """There are no options."""

    def finalize_options(self) -> None:
        """There are no options."""

    def run(self) -> None:
        """Generates the stubs."""
        generate(SOURCES)


setup(cmdclass={"build_py": BuildWithStubs, "protos": Protos})
