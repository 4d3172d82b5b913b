"""``synthvlm doctor``: what is missing, and how to mend it."""

from typing import TYPE_CHECKING

import typer

from synthvlm.cli.options import HomeOption, JsonOption, ProfileOption, chosen_home
from synthvlm.local.home import home_at

if TYPE_CHECKING:
    from synthvlm.cli.checks import Finding

_MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "missing": "[red]missing[/]"}


def doctor(
    context: typer.Context,
    home: HomeOption = None,
    profile: ProfileOption = "mini",
    json: JsonOption = False,
) -> None:
    """Check this machine: what is missing and how to mend it.

    Exits with 1 when something that is needed is missing.

    [dim]Example:[/] synthvlm doctor --profile single-gpu
    """
    from synthvlm.cli.checks import examine
    from synthvlm.cli.terminal import print_json

    findings = examine(home_at(chosen_home(context, home)), profile)
    if json:
        print_json([finding.__dict__ for finding in findings], indent=2)
    else:
        _show(findings)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def _show(findings: "list[Finding]") -> None:
    from rich.table import Table

    from synthvlm.cli.terminal import stdout_console

    table = Table("", "what", "found", "mend", box=None)
    for finding in findings:
        table.add_row(_MARKS[finding.state], finding.what, finding.found, finding.mend)
    stdout_console().print(table)
