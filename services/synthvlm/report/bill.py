"""A run's cost as numbers: what each stage took, and what all of them come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from synthvlm.report.record import Stage


@dataclass(frozen=True)
class StageCost:
    """What one stage of a run took.

    Attributes:
        stage: The stage.
        seconds: Time in which at least one of its shards was worked on.
        made: Records that this run made itself; found ones cost nothing.
        noun: What they are.
        device_seconds: Seconds in which a device computed, all devices added up; None for a stage
            that uses none.
        tokens: Tokens that were trained on, padding left out; None where there are none.
        bytes: Bytes of the shards in the store, whichever run made them.
        compute: Price of the device time; None where no price is given.
        storage: Price of the bytes for a month; None likewise.
        parts: Of ``made``, the samples of each stage of a training.
    """

    stage: Stage
    seconds: float
    made: int
    noun: str
    device_seconds: float | None
    tokens: int | None
    bytes: int
    compute: float | None
    storage: float | None
    parts: Mapping[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float | None:
        """Records per second of a device; None where no device made any."""
        return self.made / self.device_seconds if self.device_seconds and self.made else None


@dataclass(frozen=True)
class RunCost:
    """What a run took.

    Attributes:
        stages: In the order of the chain.
        currency: Of all prices.
    """

    stages: Sequence[StageCost]
    currency: str

    @property
    def device_seconds(self) -> float:
        """Device time of all stages."""
        return sum(stage.device_seconds or 0.0 for stage in self.stages)

    @property
    def bytes(self) -> int:
        """Bytes of all shards."""
        return sum(stage.bytes for stage in self.stages)

    @property
    def compute(self) -> float | None:
        """Price of all device time; None if no stage has a price."""
        return _added([stage.compute for stage in self.stages])

    @property
    def storage(self) -> float | None:
        """Price of all bytes for a month; None without a price."""
        return _added([stage.storage for stage in self.stages])


def _added(prices: Sequence[float | None]) -> float | None:
    given = [price for price in prices if price is not None]
    return sum(given) if given else None
