"""All checks of a cluster, one after the other; what may not be read is a finding, too."""

from collections.abc import Callable, Iterator
from functools import partial

from synthvlm.cluster.examination import platform, release
from synthvlm.cluster.examination.api import Api
from synthvlm.cluster.examination.release import Release, find_release
from synthvlm.errors import NotFound, PermissionDenied, Unavailable
from synthvlm.finding import Finding

_Check = Callable[[], Iterator[Finding]]


def examine(
    api: Api, namespace: str, name: str | None, kfp_namespace: str
) -> tuple[list[Finding], Release | None]:
    """Checks a cluster and the release in it.

    Args:
        api: The cluster's.
        namespace: The release's.
        name: The release's; None: the only one there.
        kfp_namespace: Where Kubeflow Pipelines is.

    Returns:
        What was found, and the release, if there is one.
    """
    findings = _tried("kubernetes", partial(platform.version, api))
    if findings[0].found.startswith("the API server cannot be reached"):
        return findings, None
    found: Release | None = None
    needed: frozenset[str] = frozenset()
    try:
        found = find_release(api, namespace, name)
        needed = release.needed_apis(api, found)
    except NotFound as error:
        mend = (
            f"helm install synthvlm charts/synthvlm --namespace {namespace}, or give --namespace "
            f"and --release"
        )
        findings += [Finding("missing", "release", error.message, mend)]
    except (PermissionDenied, Unavailable) as error:
        findings += [Finding("missing", "release", error.message, _advice(error))]
    else:
        findings += [Finding("ok", "release", f"{found.name} in {namespace}")]
    findings += _tried("apis", partial(platform.operators, api, needed))
    findings += _tried("kubeflow pipelines", partial(platform.pipelines, api, kfp_namespace))
    if found is None:
        return findings, None
    checks: dict[str, _Check] = {
        "pools": partial(platform.pools, api, found.pools),
        "workloads": partial(release.workloads, api, found),
        "secrets": partial(release.secrets, api, found),
        "claims": partial(release.claims, api, found),
        "network policies": partial(release.policies, api, found),
        "pod security": partial(release.namespace_policy, api, found),
    }
    for what, check in checks.items():
        findings += _tried(what, check)
    return findings, found


def _tried(what: str, check: _Check) -> list[Finding]:
    findings: list[Finding] = []
    try:
        findings.extend(check())
    except PermissionDenied as error:
        findings.append(Finding("warning", what, error.message, _advice(error)))
    except (NotFound, Unavailable) as error:
        findings.append(Finding("missing", what, error.message, _advice(error)))
    return findings


def _advice(error: NotFound | PermissionDenied | Unavailable) -> str:
    if isinstance(error, PermissionDenied):
        return "have somebody give you get and list of it (the ClusterRole view, and nodes)"
    if isinstance(error, Unavailable):
        return "kubectl get --raw /readyz"
    return "look at what it says"
