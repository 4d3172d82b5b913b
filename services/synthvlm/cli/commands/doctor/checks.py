"""What a machine needs to make datasets."""

import importlib.metadata
import importlib.util
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from synthvlm.errors import DomainError
from synthvlm.finding import Finding
from synthvlm.local.home import Home
from synthvlm.local.services import attach
from synthvlm.local.words import RUN, WORDS
from synthvlm.model_folders import model_digest, resolve_model
from synthvlm.profiles import load_profile, setting

_PACKAGES = {
    "caption": ("pyarrow", "numpy"),
    "generation": ("torch", "diffusers", "transformers", "accelerate", "tritonclient", "pillow"),
    "alignment": ("torch", "open_clip_torch", "pillow"),
    "dataset": ("numpy", "sqlalchemy", "alembic"),
    "pipelines": ("kfp",),
}
"""The packages of each extra, by distribution name."""

_LEAST_MEMORY_GIB = 4
_LEAST_DISK_GIB = 2


def examine(home: Home, profile: str) -> list[Finding]:
    """Checks everything that a run with ``profile`` in ``home`` needs."""
    return [
        _python(),
        _platform(),
        *_machine(home),
        *_packages(),
        *_models(profile),
        _home(home),
        _port(),
        _triton(),
        _services(home),
    ]


def _python() -> Finding:
    # A Python too old for the package never gets this far.
    return Finding("ok", "python", ".".join(str(part) for part in sys.version_info[:3]))


def _platform() -> Finding:
    if sys.platform != "linux":
        return Finding(
            "missing", "system", sys.platform, "local services need Linux; use a container"
        )
    return Finding("ok", "system", sys.platform)


def _machine(home: Home) -> Iterator[Finding]:
    cores = psutil.cpu_count() or 1
    few = cores < 2
    yield Finding(
        "warning" if few else "ok",
        "cores",
        str(cores),
        "two or more are recommended" if few else "",
    )
    memory = psutil.virtual_memory().available / 2**30
    low = memory < _LEAST_MEMORY_GIB
    advice = f"close other programs: the models need {_LEAST_MEMORY_GIB} GiB" if low else ""
    yield Finding("warning" if low else "ok", "memory", f"{memory:.1f} GiB available", advice)
    existing = next(path for path in (home.root, *home.root.parents) if path.exists())
    disk = shutil.disk_usage(existing).free / 2**30
    full = disk < _LEAST_DISK_GIB
    advice = (
        f"runs need {_LEAST_DISK_GIB} GiB: free some space, or choose another --home"
        if full
        else ""
    )
    yield Finding("warning" if full else "ok", "disk", f"{disk:.1f} GiB free", advice)


def _packages() -> Iterator[Finding]:
    for extra, packages in _PACKAGES.items():
        found, absent = [], []
        for package in packages:
            try:
                found.append(f"{package} {importlib.metadata.version(package)}")
            except importlib.metadata.PackageNotFoundError:
                absent.append(package)
        if absent:
            mend = f"pip install 'synthvlm[{extra}]'"
            yield Finding("missing", f"packages: {extra}", f"no {', '.join(absent)}", mend)
        else:
            yield Finding("ok", f"packages: {extra}", ", ".join(found))


def _models(profile: str) -> Iterator[Finding]:
    try:
        settings = load_profile(profile)
    except DomainError as error:
        yield Finding("missing", "profile", error.message, "choose another with --profile")
        return
    yield Finding("ok", "profile", settings.name)
    for path in (
        ("generation", "pipeline", "model"),
        ("generation", "pipeline", "refiner"),
        ("alignment", "model"),
    ):
        reference = setting(settings.sections, *path)
        if not isinstance(reference, str) or not reference:
            continue
        what = f"model: {path[0]} {path[-1]}"
        try:
            folder = resolve_model(reference)
            yield Finding("ok", what, f"{reference} {model_digest(folder)[:19]}")
        except DomainError as error:
            yield Finding("missing", what, reference, error.message)


def _home(home: Home) -> Finding:
    try:
        home.prepare()
    except DomainError as error:
        return Finding("missing", "home", str(home.root), error.message)
    return Finding("ok", "home", str(home.root))


def _port() -> Finding:
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            return Finding("ok", "ports", "free ports on 127.0.0.1")
    except OSError as error:
        return Finding("missing", "ports", str(error), "allow listening on 127.0.0.1")


def _triton() -> Finding:
    command = [sys.executable, "-m", "synthvlm.generation.triton", "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if checked.returncode == 0:
        return Finding("ok", "triton", checked.stdout.strip())
    problem = (checked.stderr.strip().splitlines() or ["the check failed"])[-1]
    return Finding(
        "warning", "triton", problem, "`make triton-server`; only --engine triton needs it"
    )


def _services(home: Home) -> Finding:
    absent = [
        word for word in WORDS if importlib.util.find_spec(f"synthvlm.{word}.__main__") is None
    ]
    if absent:
        return Finding("missing", "services", f"no {', '.join(absent)}", "reinstall the package")
    services = attach(home, RUN)
    if services is not None:
        return Finding("ok", "services", f"running with the profile {Path(services.profile).stem}")
    if home.services_file.exists():
        return Finding(
            "warning",
            "services",
            "registered but not healthy",
            f"stop them; see {home.log('*').parent}",
        )
    return Finding("ok", "services", "not running; commands start what they need")
