"""``synthvlm doctor``: what is missing, and how to fix it."""

from collections.abc import Sequence
from dataclasses import asdict

import typer
from rich.table import Table

from synthvlm.cli.commands.doctor.checks import Finding, examine
from synthvlm.cli.options import HomeOption, JsonOption, ProfileOption, chosen_home
from synthvlm.cli.terminal.output import print_json, stdout_console, styled

_STYLES = {"ok": "green", "warning": "yellow", "missing": "red"}


def doctor(
    context: typer.Context,
    home: HomeOption = None,
    profile: ProfileOption = "mini",
    json: JsonOption = False,
) -> None:
    """Check this machine: what is missing and how to fix it.

    Exits with 1 if anything necessary is missing.

    [dim]Example:[/] synthvlm doctor --profile single-gpu
    """
    findings = examine(chosen_home(context, home), profile)
    if json:
        print_json([asdict(finding) for finding in findings], indent=2)
    else:
        _show(findings)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def _show(findings: Sequence[Finding]) -> None:
    table = Table("", "what", "found", "fix", box=None)
    for finding in findings:
        mark = styled(finding.state, _STYLES[finding.state])
        table.add_row(mark, finding.what, finding.found, finding.mend)
    stdout_console().print(table)
