"""Finds the files of a Triton server, and builds its command line and environment.

Two layouts are supported: NVIDIA's own (``/opt/tritonserver`` of its images), and the wheel
``nvidia-pytriton``, which contains the same server for the CPU. Only the server in the wheel is
used, not its Python layer or the dependencies of that.
"""

import ctypes.util
import os
import socket
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

import synthvlm
from synthvlm.errors import PreconditionFailed
from synthvlm.serving.settings import ServiceSettings

VARIABLE = "SYNTHVLM_TRITON_SERVER"
"""Environment variable with the server's folder."""

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX has it
_PREFIX = "synthvlm_triton_"


@dataclass(frozen=True)
class ServerFiles:
    """The files of a Triton server.

    Attributes:
        program: ``tritonserver``.
        backend: Folder of the Python backend.
        stub: The backend's interpreter.
        libraries: Folders of the program's shared libraries.
    """

    program: Path
    backend: Path
    stub: Path
    libraries: tuple[Path, ...] = ()


def server_folder() -> Path:
    """The server's folder: from the environment variable, else in the virtual environment."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path(sys.prefix) / "triton-server"


def find_server() -> ServerFiles:
    """The server in ``server_folder``.

    Raises:
        PreconditionFailed: There is none, or none for this version of Python.
    """
    folder = server_folder()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    wheel = folder / "pytriton" / "tritonserver"
    if (wheel / "bin" / "tritonserver").is_file():
        found = ServerFiles(
            program=wheel / "bin" / "tritonserver",
            backend=wheel / "backends" / "python",
            stub=wheel / "python_backend_stubs" / python / "triton_python_backend_stub",
            libraries=(folder / "nvidia_pytriton.libs",),
        )
    else:
        backend = folder / "backends" / "python"
        found = ServerFiles(
            program=folder / "bin" / "tritonserver",
            backend=backend,
            stub=backend / "triton_python_backend_stub",
        )
    for path in (found.program, found.stub):
        if not path.is_file():
            raise PreconditionFailed(
                f"there is no Triton server for Python {python}: {path} is missing; run `make "
                f"triton-server`, or set {VARIABLE} to the folder of one"
            )
    if not _has_python_library():
        raise PreconditionFailed(
            f"Triton's Python backend needs Python {python} as a shared library: apt-get install "
            f"libpython{python}"
        )
    return found


def make_backends(files: ServerFiles, folder: Path) -> Path:
    """Makes a backend folder for Triton, with an executable stub beside the backend.

    Returns:
        ``folder``, for ``--backend-directory``.
    """
    for path in (files.program, files.stub):
        if not os.access(path, os.X_OK):
            path.chmod(path.stat().st_mode | 0o111)  # wheels do not preserve the bit
    target = folder / "python"
    target.mkdir(parents=True, exist_ok=True)
    for path in {*files.backend.iterdir(), files.stub}:
        link = target / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    return folder


def environment(files: ServerFiles, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of the server and of the model in it."""
    ours = Path(synthvlm.__file__).parents[1]
    paths = [str(ours), *(path for path in sys.path if path)]
    libraries = [*map(str, files.libraries), str(sysconfig.get_config_var("LIBDIR"))]
    if "LD_LIBRARY_PATH" in inherited:
        libraries.append(inherited["LD_LIBRARY_PATH"])
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
    }


def command(
    files: ServerFiles,
    *,
    repository: Path,
    backends: Path,
    listen: str,
    metrics_listen: str | None,
    drain_seconds: float,
    tls: Sequence[str] = (),
) -> list[str]:
    """The command line of the server, which serves only gRPC and, if enabled, metrics."""
    host, _, port = listen.rpartition(":")
    metrics_host, _, metrics_port = (metrics_listen or "").rpartition(":")
    metrics = [f"--metrics-address={metrics_host}", f"--metrics-port={metrics_port}"]
    return [
        str(files.program),
        f"--model-repository={repository}",
        f"--backend-directory={backends}",
        f"--backend-config=python,shm-region-prefix-name={_PREFIX}{os.getpid()}_",
        f"--grpc-address={host}",
        f"--grpc-port={port}",
        *tls,
        # The configuration is complete; auto-completion would load the model's libraries twice.
        "--disable-auto-complete-config",
        "--allow-http=false",
        *(metrics if metrics_listen else ["--allow-metrics=false"]),
        f"--exit-timeout-secs={max(1, round(drain_seconds))}",
    ]


def tls_options(settings: ServiceSettings) -> list[str]:
    """The options of the command line for TLS as the settings ask for it; none: plain text."""
    if settings.tls_certificate_file is None:
        return []
    files = [
        f"--grpc-server-cert={settings.tls_certificate_file}",
        f"--grpc-server-key={settings.tls_key_file}",
    ]
    if settings.tls_client_ca_file is None:
        return ["--grpc-use-ssl=true", *files]
    return ["--grpc-use-ssl-mutual=true", *files, f"--grpc-root-cert={settings.tls_client_ca_file}"]


def free_address(address: str) -> str:
    """``host:port`` with a free port for port 0."""
    host, _, port = address.rpartition(":")
    if port != "0":
        return address
    with socket.socket() as listener:
        listener.bind((host, 0))
        return f"{host}:{listener.getsockname()[1]}"


def remove_leftovers() -> None:
    """Removes the shared memory of killed servers, whose process ids are in its names."""
    for path in SHARED_MEMORY.glob(f"{_PREFIX}*"):
        pid = path.name.removeprefix(_PREFIX).partition("_")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            path.unlink(missing_ok=True)


def _has_python_library() -> bool:
    """Whether the interpreter is available as a shared library, which the stub needs."""
    name = str(sysconfig.get_config_var("INSTSONAME"))
    folder = Path(str(sysconfig.get_config_var("LIBDIR")))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (folder / name).exists() or ctypes.util.find_library(f"python{version}") is not None
