"""The options that say where a run goes: the server, the release, the pods."""

from pathlib import Path
from typing import Annotated

import typer

ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        envvar="KF_PIPELINES_ENDPOINT",
        help="The pipelines server.",
        show_default="in a cluster: ml-pipeline of the namespace kubeflow",
    ),
]
"""``--server``."""

TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="Bearer token for the server; read again when it has run out.",
        show_default="in a cluster: the ServiceAccount's",
    ),
]
"""``--token-file``."""

TokenCommandOption = Annotated[
    str | None,
    typer.Option(
        "--token-command",
        metavar="COMMAND",
        help="Prints such a token; run again when it has run out.",
    ),
]
"""``--token-command``."""

CaOption = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="Authorities of the server's certificate, as PEM."),
]
"""``--ca``."""

NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        metavar="NAME",
        help="Whose run it is, on a server for several users.",
        show_default="in a cluster: this pod's",
    ),
]
"""``--namespace``."""

ExperimentOption = Annotated[
    str, typer.Option("--experiment", metavar="NAME", help="Where the server lists the run.")
]
"""``--experiment``."""

TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="FILE|NAMESPACE/NAME",
        help="The chart's ConfigMap for pipelines: addresses, images, store.",
        show_default="the environment, else synthvlm-pipelines of the current namespace",
    ),
]
"""``--target``."""

ReachOption = Annotated[
    list[str] | None,
    typer.Option(
        "--reach",
        metavar="SERVICE=ADDRESS",
        help="Where this machine reaches caption, generation or alignment, if not where the steps "
        "do: at a forwarded port.",
    ),
]
"""``--reach``."""

ServicesTokenOption = Annotated[
    Path | None,
    typer.Option(
        "--services-token",
        metavar="FILE",
        help="Token for the services.",
        show_default="$SYNTHVLM_STEP_TOKEN_FILE",
    ),
]
"""``--services-token``."""

ServicesCaOption = Annotated[
    Path | None,
    typer.Option(
        "--services-ca",
        metavar="FILE",
        help="Authorities of the services' certificates; enables TLS.",
        show_default="$SYNTHVLM_STEP_CA_FILE",
    ),
]
"""``--services-ca``."""

RunNameOption = Annotated[
    str | None,
    typer.Option(
        "--run-name",
        metavar="NAME",
        help="Name of the run: the same name is the same run.",
        show_default="the dataset's, and a digest of all arguments",
    ),
]
"""``--run-name``."""

EveryOption = Annotated[
    str | None,
    typer.Option(
        "--every",
        metavar="CRON",
        help="Run again and again: cron's five fields, or @daily; never ends that.",
    ),
]
"""``--every``."""

SelectionOption = Annotated[
    str | None,
    typer.Option(
        "--selection",
        metavar="selection/…",
        help="Publish this selection of an earlier run, and make nothing.",
    ),
]
"""``--selection``."""

QueueOption = Annotated[
    str,
    typer.Option(
        "--queue", metavar="NAME", help="Kueue's LocalQueue of the pods, in their namespace."
    ),
]
"""``--queue``."""

PriorityOption = Annotated[
    str, typer.Option("--priority", metavar="NAME", help="Kueue's WorkloadPriorityClass.")
]
"""``--priority``."""

PoolOption = Annotated[
    str | None,
    typer.Option(
        "--pool", metavar="NAME", help="Pool of nodes for the pods, of the chart's values."
    ),
]
"""``--pool``."""

ServiceAccountOption = Annotated[
    str,
    typer.Option(
        "--service-account",
        metavar="NAME",
        help="ServiceAccount of the pods.",
        show_default="the server's default",
    ),
]
"""``--service-account``."""

PackagesOption = Annotated[
    Path | None,
    typer.Option(
        "--packages",
        metavar="DIR",
        help="Compiled pipelines.",
        show_default="compiled for the ConfigMap's image",
    ),
]
"""``--packages``."""

PatienceOption = Annotated[
    int,
    typer.Option(
        "--patience",
        metavar="SECONDS",
        help="How long the server may be gone while it is followed.",
    ),
]
"""``--patience``."""

NoWaitOption = Annotated[
    bool, typer.Option("--no-wait", help="Send the run and do not wait for its end.")
]
"""``--no-wait``."""
