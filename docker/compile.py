"""Compiles the modules that an image may import: half of those that are installed never are.

    compile.py WORD

All modules of the word's package are imported, and the bytecode of whatever is loaded then is
written, for good, as the files of an image do not change. Others stay source, which works too.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from py_compile import PycInvalidationMode, compile

BY_NAME = (
    "kfp.dsl.executor_main",
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.h11_impl",
)
"""What libraries load when it is first used."""


def load(word: str) -> None:
    """Imports the word's package, and says what cannot be imported in its image."""
    package = "synthvlm_pipelines" if word == "pipelines" else f"synthvlm.{word}"
    found = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    own = [module.name for module in found if not module.name.endswith("__main__")]
    for name in (*own, *(name for name in BY_NAME if find_spec(name.partition(".")[0]))):
        try:
            importlib.import_module(name)
        except ImportError as error:
            sys.stderr.write(f"stays source: {name}: {error}\n")


def uncompiled(modules: Iterable[object]) -> Iterator[tuple[str, str]]:
    """The source of each module without bytecode, and the file that this belongs in."""
    for module in modules:
        source, cached = getattr(module, "__file__", None), getattr(module, "__cached__", None)
        # Modules such as torch.ops have an attribute for every name, which is not a path.
        if isinstance(source, str) and isinstance(cached, str) and not Path(cached).exists():
            yield source, cached


def main() -> None:
    """Compiles what is loaded and not compiled."""
    load(sys.argv[1])
    for source, cached in uncompiled(list(sys.modules.values())):
        compile(source, cached, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)


if __name__ == "__main__":
    main()
