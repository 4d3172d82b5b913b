"""How large a run's Argo Workflow gets, and its largest argument: both have limits on a cluster.

KFP compiles a pipeline to one Workflow, an object in etcd. Its *specification* holds, as JSON, each
component, each step's container (with the source of its function), how its pod is configured, each
task, and the run's arguments. While the run goes on, the *status* of each executed step is added:
four nodes, in which the same texts stand again, and the step's pod four times over, with the values
of its arguments. So

    specification = fixed + components + containers + pods + tasks (+ 1,000 bytes each) + arguments
    status of a step = component + task + container + pod + 4 x (container + pod + values + 2,000)
                       + 4 x 800
    executions of a step = product of the shards of the loops around it

Argo compresses the status (gzip, base64) once the whole is above 1 MiB, and fails a Workflow that
is above 1 MiB even so, unless its controller offloads to a database; etcd refuses any object above
1.5 MiB. The constants were read off the Workflows in KFP's own tests and the sizes that users
reported (35 KB a step); what is estimated is multiplied by a margin of 1.25.

A step's values are one argument of its process, which Linux limits to 128 KiB. ``select`` gets the
results of all shards.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synthvlm.errors import InvalidInput

ARGO_BYTES = 1 << 20
"""Above this, Argo fails a Workflow whose status it cannot offload."""

ETCD_BYTES = 3 << 19
"""Above this, etcd refuses an object: 1.5 MiB."""

ARGUMENT_BYTES = 1 << 17
"""Longest single argument of a process: 128 KiB."""

MARGIN = 1.25

_FIXED = 10_000
_TASK = 1_000
_NODE = 800
_POD = 2_000
_RESULT = 450
"""Bytes of a step's result: a reference to a shard, and counts."""

_SAMPLE = 16
"""Executions whose status is compressed, to see what more of them add."""


@dataclass(frozen=True)
class WorkflowSize:
    """Estimated sizes in bytes, margin included.

    Attributes:
        specification: The Workflow as it is created.
        status: What the finished run adds, before compression.
        stored: The finished Workflow as etcd holds it.
        argument: The largest argument of a step's process.
        steps: Steps that are executed.
    """

    specification: int
    status: int
    stored: int
    argument: int
    steps: int

    def check(self) -> None:
        """Refuses a run that a cluster could not hold.

        Raises:
            InvalidInput: A limit is passed; the message says what to do.
        """
        advice = "use fewer, larger shards (--shard-size), or split the captions over several runs"
        if self.argument > ARGUMENT_BYTES:
            raise InvalidInput(
                f"an argument of a step, its request or the results of all shards, would have "
                f"{_kib(self.argument)}, and a process takes {_kib(ARGUMENT_BYTES)}: {advice}; "
                f"give the folder of many caption files in the place of their names"
            )
        if self.specification > ETCD_BYTES:
            raise InvalidInput(
                f"the Workflow would begin with {_kib(self.specification)}, and etcd takes at most "
                f"{_kib(ETCD_BYTES)}: give shorter arguments: a smaller recipe, or fewer arms"
            )
        if self.stored > ARGO_BYTES:
            raise InvalidInput(
                f"the Workflow would grow to {_kib(self.stored)} in its {self.steps:,} steps, and "
                f"Argo takes {_kib(ARGO_BYTES)}: {advice}; or let Argo's controller offload the "
                f"status (persistence.nodeStatusOffLoad)"
            )


def workflow_size(
    pipeline: Mapping[str, Any],
    platform: Mapping[str, Any],
    arguments: Mapping[str, Any],
    shards: int,
) -> WorkflowSize:
    """Estimates the Workflow of a run.

    Args:
        pipeline: The compiled PipelineSpec.
        platform: The compiled PlatformSpec.
        arguments: The run's arguments.
        shards: Shards, or arms, of its loop.
    """
    components = pipeline["components"]
    executors = pipeline["deploymentSpec"]["executors"]
    configured = platform.get("platforms", {}).get("kubernetes", {})
    pods = configured.get("deploymentSpec", {}).get("executors", {})
    specification = _FIXED + _length(arguments)
    specification += sum(_length(component) for component in components.values())
    specification += _length(executors) + _length(pods) + _length(pipeline["root"])
    status = compressed = argument = steps = 0
    for name, task, times in _tasks(pipeline, "root", shards):
        specification += _TASK + _length(task)
        component = components[task["componentRef"]["name"]]
        if "executorLabel" not in component:
            status += times * 2 * _NODE
            continue
        label = component["executorLabel"]
        values = _values(task, arguments, shards)
        argument = max(argument, _length(component) + _length(values))
        given = [component, task, executors[label]["container"], pods.get(label, {})]
        one = _nodes(name, 0, given, values)
        few = _compressed([_nodes(name, n, given, values) for n in range(min(times, _SAMPLE))])
        first = _compressed([one])
        more = (few - first) / max(1, min(times, _SAMPLE) - 1)
        status += times * len(one)
        compressed += round(first + (times - 1) * more)
        steps += times
    whole = specification + status
    stored = whole if whole * MARGIN <= ARGO_BYTES else specification + compressed
    return WorkflowSize(
        specification=round(MARGIN * specification),
        status=round(MARGIN * status),
        stored=round(MARGIN * stored),
        argument=round(MARGIN * argument),
        steps=steps,
    )


def _tasks(
    pipeline: Mapping[str, Any], name: str, shards: int, times: int = 1
) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    """All tasks below a DAG, and how often each is executed."""
    component = pipeline["root"] if name == "root" else pipeline["components"][name]
    for task_name, task in component.get("dag", {}).get("tasks", {}).items():
        often = times * (shards if "parameterIterator" in task else 1)
        yield task_name, task, often
        yield from _tasks(pipeline, task["componentRef"]["name"], shards, often)


def _values(task: Mapping[str, Any], arguments: Mapping[str, Any], shards: int) -> dict[str, Any]:
    """What a step is given: arguments of the run as they are, results by their usual length."""
    values: dict[str, Any] = {}
    for key, source in task.get("inputs", {}).get("parameters", {}).items():
        name = source.get("componentInputParameter", "").rpartition("--")[2]
        if name in arguments:
            values[key] = arguments[name]
        elif "runtimeValue" in source:
            values[key] = source["runtimeValue"]
        else:
            producer = source.get("taskOutputParameter", {}).get("producerTask", "")
            many = shards if producer.startswith("for-loop") else 1
            values[key] = ["r" * _RESULT] * many
    return values


def _nodes(name: str, number: int, given: list[Any], values: Mapping[str, Any]) -> str:
    """The status of one execution: what differs from another's is as random as in a cluster."""
    unique = hashlib.sha512(f"{name}-{number}".encode()).hexdigest()
    patch = [*given[2:], values, unique * 2, "p" * (_POD - 4 * len(unique) // 2)]
    return json.dumps([given, unique, [[patch, unique] for _ in range(4)], "n" * 4 * _NODE])


def _compressed(nodes: list[str]) -> int:
    return len(base64.b64encode(gzip.compress("".join(nodes).encode(), 6)))


def _length(content: Any) -> int:
    return len(json.dumps(content))


def _kib(size: int) -> str:
    return f"{size / 1024:,.0f} KiB"
