"""From what a user asks for to a run on the server."""

import re
import shlex
import sys
import tempfile
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc

from synthvlm.cli.failures import WrongUsageError
from synthvlm.cli.run.plan import RunPlan
from synthvlm.client import connect
from synthvlm.errors import InvalidInput
from synthvlm.profiles import load_profile
from synthvlm.report.outcome import RUN_NAME
from synthvlm.report.record import Prices
from synthvlm.storage import canonical_json, sha256_digest
from synthvlm.submission.packages import Package, compiled, read_package
from synthvlm.submission.placement import Placement, placed
from synthvlm.submission.server import KfpServer
from synthvlm.submission.target import WORDS, Target
from synthvlm.submission.uploads import shared_store
from synthvlm_pipelines.connection import ConnectionSettings
from synthvlm_pipelines.workflow_size import workflow_size

IMPORT_TASK = "import-captions"
"""The step that reads caption files, as the compiled pipelines call it."""

MOST_SHARDS = "most_shards"
"""Its parameter that limits the shards of a run; 0: it does not."""

_INSIDE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_HIDDEN = "--token-command"
_TOLD = ("run_name", "resume_command", "profile", "prices", "store_uri")
"""Arguments that decide nothing of what is made, or say again what requests say."""

_DIGEST_LETTERS = 10


@dataclass(frozen=True)
class TargetServices:
    """The services of a release, called from this machine.

    Attributes:
        target: The release.
        reach: Where this machine reaches services that it cannot reach where the steps do.
        token_file: Token that they want.
        ca_file: Authorities of their certificates.
    """

    target: Target
    reach: Mapping[str, str]
    token_file: Path | None = None
    ca_file: Path | None = None

    def connect(self, word: str) -> grpc.Channel:
        """A channel to the service ``word``."""
        here = ConnectionSettings()
        return connect(
            self.reach.get(word, self.target.addresses[word]),
            token=self.token_file or here.token_file,
            ca_file=self.ca_file or here.ca_file,
            certificate_file=here.certificate_file,
            key_file=here.key_file,
        )

    def address(self, word: str) -> str:
        """Where steps reach it."""
        return self.target.addresses[word]


def reachable(options: Sequence[str]) -> dict[str, str]:
    """The addresses of ``--reach``.

    Raises:
        WrongUsageError: One is not of the form SERVICE=ADDRESS.
    """
    pairs = [option.partition("=") for option in options]
    for option, (word, _, address) in zip(options, pairs, strict=True):
        if word not in WORDS or not address:
            raise WrongUsageError(
                f"--reach {option} is not of the form SERVICE=ADDRESS; services are "
                f"{', '.join(WORDS)}"
            )
    return {word: address for word, _, address in pairs}


def owner(server: KfpServer, namespace: str | None) -> str:
    """The namespace whose run it is; empty on a server for one user.

    Raises:
        WrongUsageError: The server wants one, and it is not known.
    """
    if not server.is_multi_user():
        return ""
    if namespace is None and _INSIDE.exists():
        return _INSIDE.read_text(encoding="utf-8").strip()
    if namespace is None:
        raise WrongUsageError(f"{server.host} serves several users; give your --namespace")
    return namespace


def wanted_package(
    name: str,
    folder: Path | None,
    target: Target,
    placement: Placement,
    profile: str,
    *,
    fresh: bool,
) -> Package:
    """The pipeline as it is sent.

    Args:
        name: The pipeline.
        folder: Compiled pipelines; None: they are compiled for the target.
        target: Where it goes.
        placement: What its pods get.
        profile: Says where its steps run, as far as the target does not.
        fresh: Whether its caption files may change under the same names, so that the server must
            not take an earlier import for this one.
    """
    if folder is not None:
        package = read_package(folder, name)
    else:
        with tempfile.TemporaryDirectory(prefix="synthvlm-pipelines-") as scratch:
            package = compiled(name, Path(scratch), target.compilation, profile)
    package = placed(package, placement)
    return package.without_cache(IMPORT_TASK) if fresh else package


def placement_of(target: Target, queue: str, priority: str, pool: str | None) -> Placement:
    """What the pods of a run get.

    Raises:
        InvalidInput: The target has no such pool.
    """
    placement = Placement(
        queue=queue,
        priority=priority,
        environment=target.environment,
        secrets=target.secrets,
    )
    return replace(placement, pool=target.pool(pool)) if pool else placement


def decided_by(plan: RunPlan, package: Package, seen: Mapping[str, Any], **more: Any) -> str:
    """Digest of what decides what a run makes: other arguments under its name are another run.

    Args:
        plan: The plan.
        package: The pipeline.
        seen: What else tells it from other runs, as far as it is known here.
        more: Arguments besides those of the plan.
    """
    taken = package.accepted({**plan.arguments, **dict.fromkeys(_TOLD, ""), **more})
    content = {key: value for key, value in taken.items() if key not in _TOLD}
    return sha256_digest(canonical_json({"pipeline": package.name, "seen": seen, **content}))


def folders_now(urls: Sequence[str]) -> dict[str, dict[str, int]]:
    """What lies in those of ``urls`` that are folders, with sizes: the names alone say little.

    Raises:
        DomainError: A folder cannot be listed from here.
    """
    return {url: shared_store(url.rstrip("/")).sizes("") for url in urls if url.endswith("/")}


def run_arguments(
    plan: RunPlan, package: Package, target: Target, name: str, profile: str, **more: Any
) -> dict[str, Any]:
    """All arguments of the run.

    Raises:
        InvalidInput: A price of the profile is wrong.
    """
    told = {
        "run_name": name,
        "store_uri": target.store_uri,
        "profile": Path(profile).stem,
        "prices": Prices.of(load_profile(profile).section("cost")).model_dump_json(),
        "resume_command": this_command(sys.argv[1:]),
    }
    return package.accepted({**plan.arguments, **told, **more})


def fitting(package: Package, arguments: Mapping[str, Any]) -> Package:
    """The package, which takes no more shards than the server's Workflow has room for.

    How many there are is known when the captions are imported; that step refuses more, before
    anything is made of them.

    Raises:
        InvalidInput: There is no room for a single one; the message says what to do.
    """

    def fits(shards: int) -> bool:
        try:
            workflow_size(package.spec, package.platforms, arguments, shards).check()
        except InvalidInput:
            return False
        return True

    workflow_size(package.spec, package.platforms, arguments, 1).check()
    most = int(package.constant(IMPORT_TASK, MOST_SHARDS) or 1)
    if fits(most):
        return package
    room = bisect(range(1, most + 1), False, key=lambda shards: not fits(shards))
    return package.with_constant(IMPORT_TASK, MOST_SHARDS, room)


def run_name(given: str | None, dataset: str, digest: str, *, recurs: bool) -> str:
    """Name of the run.

    A recurring run goes by the dataset's name, so that a change of it is a change of the same.

    Raises:
        InvalidInput: The given one is not valid.
    """
    if given is None:
        short = digest.removeprefix("sha256:")[:_DIGEST_LETTERS]
        return dataset if recurs else f"{dataset}-{short}"
    if not re.fullmatch(RUN_NAME, given):
        raise InvalidInput(
            f"--run-name {given!r} is not a valid name of a run; use 1 to 100 characters "
            f"of a-z, 0-9 and -, starting with a letter or digit"
        )
    return given


def this_command(arguments: Sequence[str]) -> str:
    """The command line, for whoever reads that the run failed; without how tokens are made."""
    kept = []
    hides = False
    for argument in arguments:
        if hides or argument.startswith(f"{_HIDDEN}="):
            kept.append("…" if hides else f"{_HIDDEN}=…")
            hides = False
            continue
        hides = argument == _HIDDEN
        kept.append(argument)
    return shlex.join(["synthvlm", *kept])
