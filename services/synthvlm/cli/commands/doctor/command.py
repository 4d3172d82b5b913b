"""``synthvlm doctor``: what is missing, and how to fix it."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from synthvlm.cli.commands.doctor.checks import examine
from synthvlm.cli.failures import WrongUsageError
from synthvlm.cli.options import HomeOption, JsonOption, ProfileOption, chosen_home
from synthvlm.cli.terminal.output import print_json, stdout_console, styled
from synthvlm.finding import Finding

_STYLES = {"ok": "green", "warning": "yellow", "missing": "red"}

_IN_A_POD = "KUBERNETES_SERVICE_HOST"
"""Environment variable that every pod has."""


def doctor(
    context: typer.Context,
    home: HomeOption = None,
    profile: ProfileOption = "mini",
    cluster: Annotated[
        bool,
        typer.Option("--cluster", help="Check a Kubernetes cluster and the release in it instead."),
    ] = False,
    kube_context: Annotated[
        str | None,
        typer.Option("--context", metavar="NAME", help="Context of the kubeconfig."),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            metavar="NAME",
            help="Namespace of the release.",
            show_default="the context's",
        ),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(
            "--release",
            metavar="NAME",
            help="Name of the release.",
            show_default="the only one there",
        ),
    ] = None,
    kfp_namespace: Annotated[
        str,
        typer.Option("--kfp-namespace", metavar="NAME", help="Where Kubeflow Pipelines is."),
    ] = "kubeflow",
    dial: Annotated[
        bool | None,
        typer.Option(
            "--dial/--no-dial",
            help="Ask services, catalogue and store, with the environment of a pipeline's step.",
            show_default="in a pod",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check this machine: what is missing and how to fix it.

    Exits with 1 if anything necessary is missing. With --cluster, objects of the cluster are only
    read, and of Secrets only whether they are there.

    [dim]Example:[/] synthvlm doctor --profile single-gpu
    """
    if cluster:
        asked = (kube_context, namespace, release, kfp_namespace)
        findings = _of_cluster(
            *asked, os.environ.get(_IN_A_POD) is not None if dial is None else dial
        )
    elif kube_context or namespace or release or dial is not None:
        raise WrongUsageError("--context, --namespace, --release and --dial need --cluster")
    else:
        findings = examine(chosen_home(context, home), profile)
    if json:
        print_json([asdict(finding) for finding in findings], indent=2)
    else:
        _show(findings)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def _of_cluster(
    context: str | None, namespace: str | None, release: str | None, kfp_namespace: str, dial: bool
) -> list[Finding]:
    from synthvlm.cli.commands.doctor import dialling
    from synthvlm.cluster.examination.api import connect
    from synthvlm.cluster.examination.examine import examine as examine_cluster

    api, usual = connect(context)
    findings, found = examine_cluster(api, namespace or usual, release, kfp_namespace)
    if found is not None:
        findings += dialling.dial(found) if dial else [dialling.not_dialled(found)]
    return findings


def _show(findings: Sequence[Finding]) -> None:
    table = Table("", "what", "found", "fix", box=None)
    for finding in findings:
        mark = styled(finding.state, _STYLES[finding.state])
        table.add_row(mark, finding.what, finding.found, finding.mend)
    stdout_console().print(table)
