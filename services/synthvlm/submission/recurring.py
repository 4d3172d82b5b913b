"""Runs that a server starts again and again: one a name, changed by sending the name again."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import kfp_server_api

from synthvlm.errors import InvalidInput
from synthvlm.storage import canonical_json, sha256_digest
from synthvlm.submission.runs import Wanted, described_digest, named
from synthvlm.submission.server import KfpServer

NEVER = "never"
"""In the place of a schedule: the recurring run is removed."""

_FIELD = re.compile(r"[0-9A-Za-z*/,?#-]+")
_NICKNAMES = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")
_PAGE = 100


class Change(StrEnum):
    """What became of a recurring run."""

    CREATED = "created"
    UPDATED = "updated"
    ADOPTED = "adopted"
    REMOVED = "removed"


@dataclass(frozen=True)
class Recurring:
    """A recurring run on the server."""

    recurring_id: str
    change: Change


def schedule(text: str) -> str:
    """A schedule in the form of the server, which has seconds in front.

    Args:
        text: Cron's five fields (minute, hour, day, month, weekday) in the server's time zone, the
            server's six, or one of ``@hourly`` and the like.

    Raises:
        InvalidInput: It is none of these.
    """
    fields = text.split()
    if text in _NICKNAMES:
        return text
    if len(fields) not in (5, 6) or not all(_FIELD.fullmatch(one) for one in fields):
        raise InvalidInput(
            f"--every {text!r} is not a schedule; give the five fields of cron, as in "
            f"'0 22 * * *', or {', '.join(_NICKNAMES)}, or {NEVER}"
        )
    return " ".join(fields if len(fields) == 6 else ["0", *fields])


def recurring(server: KfpServer, wanted: Wanted, cron: str) -> Recurring:
    """Makes sure that a run recurs, once.

    One run at a time: a run that is due while another is at work is left out, not made up for; the
    next one finds what both would have. A recurring run cannot be changed on the server. So the new
    one is made switched off, the old one removed, and the new one switched on: whatever happens in
    between, never are two switched on, and sending the name again repairs it.

    Args:
        server: The server.
        wanted: What recurs, and under which name.
        cron: As ``schedule`` gives it.
    """
    digest = _digest(wanted, cron)
    before = _found(server, wanted)
    same = next((one for one in before if described_digest(one.description) == digest), None)
    if same is None:
        same = server.created(
            lambda: next(
                (
                    one
                    for one in _found(server, wanted)
                    if described_digest(one.description) == digest
                ),
                None,
            ),
            server.recurring.recurring_run_service_create_recurring_run,
            recurring_run=_body(wanted, cron, digest),
        )
    old = [one for one in before if one.recurring_run_id != same.recurring_run_id]
    for one in old:
        server.call(
            server.recurring.recurring_run_service_delete_recurring_run, one.recurring_run_id
        )
    server.call(server.recurring.recurring_run_service_enable_recurring_run, same.recurring_run_id)
    if not before:
        change = Change.CREATED
    else:
        change = Change.UPDATED if same not in before else Change.ADOPTED
    return Recurring(str(same.recurring_run_id), change)


def removed(server: KfpServer, wanted_name: str, experiment_id: str) -> int:
    """Removes the recurring runs of a name; runs that they have started go on.

    Returns:
        How many there were.
    """
    found = _named(server, wanted_name, experiment_id)
    for one in found:
        server.call(
            server.recurring.recurring_run_service_delete_recurring_run, one.recurring_run_id
        )
    return len(found)


def _body(wanted: Wanted, cron: str, digest: str) -> Any:
    return kfp_server_api.V2beta1RecurringRun(
        display_name=wanted.name,
        description=f"Sent by synthvlm submit --every; arguments {digest}",
        experiment_id=wanted.experiment_id,
        pipeline_version_reference=wanted.pipeline.reference(),
        runtime_config=wanted.runtime(),
        service_account=wanted.service_account or None,
        trigger=kfp_server_api.V2beta1Trigger(
            cron_schedule=kfp_server_api.V2beta1CronSchedule(cron=cron)
        ),
        max_concurrency="1",
        no_catchup=True,
        mode=kfp_server_api.RecurringRunMode.DISABLE,
    )


def _digest(wanted: Wanted, cron: str) -> str:
    """What tells a recurring run from one of the same name that does something else."""
    content = {
        "arguments": wanted.digest,
        "cron": cron,
        "pipeline_version": wanted.pipeline.version_id,
        "service_account": wanted.service_account,
    }
    return sha256_digest(canonical_json(content))


def _found(server: KfpServer, wanted: Wanted) -> list[Any]:
    return _named(server, wanted.name, wanted.experiment_id)


def _named(server: KfpServer, name: str, experiment_id: str) -> list[Any]:
    answer = server.call(
        server.recurring.recurring_run_service_list_recurring_runs,
        experiment_id=experiment_id,
        filter=named(name),
        page_size=_PAGE,
    )
    return list(answer.recurring_runs or [])
