"""What has to hold while services are attacked, and the figures that are told of it."""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.attack.budget import Budget
from tests.attack.target import Outcome, Target

BREAKDOWNS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE}
INNARDS = re.compile(
    r"\b(?!TProtocolException)[A-Z]\w*(Error|Exception)\b|Traceback|object at 0x|\.py\b"
)
"""What callers must not be told: names of Python's classes and files. What pyarrow says of a
damaged Parquet file, in Thrift's words, is repeated."""
MAX_KEPT_MIB = 100
MAX_KEPT_AT_FIRST_MIB = 150
"""In the short form, which does not last until services are warm."""
MAX_PEAK_MIB = 512
MAX_HEALTH_SECONDS = 5.0
"""Of a busy machine; what is aimed at is 1 s, and the table tells what was measured."""


@dataclass
class Row:
    """What the table says of a kind of attack; memory and peak in MiB, health in seconds."""

    kind: str
    attempts: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    health: float = 0.0
    growth: dict[str, float] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)


class Watch:
    """Watches all services during one kind of attack.

    Args:
        kind: What the table calls it.
        services: All services, by word.
        budget: Of all kinds together.
    """

    def __init__(self, kind: str, services: Mapping[str, Target], budget: Budget) -> None:
        self.row = Row(kind)
        self._max_kept_mib = MAX_KEPT_MIB if budget.minutes else MAX_KEPT_AT_FIRST_MIB
        self._services = services
        self._budget = budget
        self._number = 0
        self._warm: dict[str, float] = {}
        self._done = threading.Event()
        self._probes = [
            threading.Thread(target=self._probe, args=[target]) for target in services.values()
        ]

    def attempts(self, share: float, short: int) -> Iterator[Random]:
        """The random numbers of each attempt, until the time of this kind is up."""
        for number, random in self._budget.attempts(self.row.kind, share, short):
            self._number = number
            if number == short:
                # Warm by now: what is kept from here on would be kept again and again.
                self._warm = self._resident()
            yield random

    def _resident(self) -> dict[str, float]:
        return {word: target.mebibytes("VmRSS") for word, target in self._services.items()}

    @property
    def where(self) -> str:
        """What repeats the attempt at hand."""
        return f"{self.row.kind}, attempt {self._number}, SEED={self._budget.seed}"

    def record(self, outcome: Outcome) -> None:
        """Counts how a call ended, and fails if it is a breakdown."""
        self.row.attempts += 1
        name = outcome.code.name
        self.row.codes[name] = self.row.codes.get(name, 0) + 1
        assert outcome.code not in BREAKDOWNS, f"{self.where}: {outcome.code} {outcome.details}"
        assert not INNARDS.search(outcome.details), f"{self.where}: {outcome.details[:2000]}"

    def __enter__(self) -> "Watch":
        for target in self._services.values():
            target.forget_peak()
        self._warm = self.row.before = self._resident()
        for probe in self._probes:
            probe.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._done.set()
        for probe in self._probes:
            probe.join()
        for word, target in self._services.items():
            status = target.process.process.poll()
            assert status is None, f"{word} ended with {status} during {self.where}"
            self.row.after[word] = target.mebibytes("VmRSS")
            self.row.growth[word] = self.row.after[word] - self._warm[word]
            self.row.peak[word] = target.mebibytes("VmHWM") - self.row.before[word]

    def check(self) -> None:
        """Fails if the services took too much memory, or were not answering.

        A process that ends is never started again here: that it runs tells that it never ended.
        """
        assert self.row.health < MAX_HEALTH_SECONDS, self.row
        for word in self._services:
            assert self.row.growth[word] < self._max_kept_mib, (word, self.row)
            assert self.row.peak[word] < MAX_PEAK_MIB, (word, self.row)

    def _probe(self, target: Target) -> None:
        with target.connect() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while not self._done.is_set():
                began = time.monotonic()
                try:
                    stub.Check(health_pb2.HealthCheckRequest(), timeout=60)
                except grpc.RpcError:
                    self.row.health = float("inf")
                    return
                self.row.health = max(self.row.health, time.monotonic() - began)
                time.sleep(0.05)


def table(rows: list[Row]) -> str:
    """The figures of all kinds, in Markdown."""
    lines = [
        "| Attack | Attempts | Ended as | Slowest health check | Most memory | Kept |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        codes = ", ".join(f"{number:,} {code}" for code, number in Counter(row.codes).most_common())
        peak, growth = max(row.peak.values(), default=0), max(row.growth.values(), default=0)
        lines.append(
            f"| {row.kind} | {row.attempts:,} | {codes} | {row.health:.2f} s "
            f"| {peak:+.0f} MiB | {growth:+.0f} MiB |"
        )
    lines += ["", "| Service | Resident before | after |", "|---|---|---|"]
    for word, before in rows[0].before.items():
        lines.append(f"| {word} | {before:,.0f} MiB | {rows[-1].after[word]:,.0f} MiB |")
    return "\n".join(lines)
