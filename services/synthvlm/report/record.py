"""The record of a finished run: times, counts, and references to everything it committed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthvlm.errors import InvalidInput
from synthvlm.storage.refs import ShardRef

Stage = Literal[
    "find",
    "import",
    "curate",
    "generate",
    "score",
    "select",
    "assemble",
    "train",
    "evaluate",
    "compare",
]
"""A stage of a run, named by its verb; ``import`` reads the caption files, ``find`` what an earlier
run has left, and ``compare`` the evaluations of several models."""

DeviceStage = Literal["generate", "score", "train", "evaluate"]
"""A stage whose work a GPU does, where the profile has one."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageTiming(_Frozen):
    """How long a stage took, all its shards together.

    Attributes:
        seconds: Time in which at least one of its shards was worked on.
        done: Records that the stage worked on, resumed ones included.
        resumed: Of ``done``, the records that were found made, by an earlier attempt or run.
    """

    stage: Stage
    seconds: float = Field(ge=0)
    done: int = Field(ge=0)
    resumed: int = Field(default=0, ge=0)


class RunShard(_Frozen):
    """One shard of a run: what its three stages committed."""

    caption_set: ShardRef
    image_set: ShardRef
    score_set: ShardRef


class VersionRecord(_Frozen):
    """The dataset version that the run published (the fields of ``VersionSummary``).

    Attributes:
        version: Number of the version, from 1.
        digest: ``sha256:`` digest of the version's manifest.
        bytes: Size of all its files.
        path: Its folder below the store's root.
    """

    name: str
    version: int
    digest: str
    pairs: int
    bytes: int = 0
    path: str = ""


class Share(_Frozen):
    """An estimated share with its 95% interval."""

    value: float
    low: float
    high: float


class Verification(_Frozen):
    """What people said of a version's pairs (``review`` in its manifest's details).

    Attributes:
        reviewed: Pairs of the selection that people judged.
        rejected: Of those, the ones that left the version.
        truth_rate: Share of true pairs in what was sampled from, annotators' errors counted; None
            if the verdicts do not determine it.
    """

    reviewed: int
    rejected: int
    truth_rate: Share | None = None

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> "Verification | None":
        """What a version's manifest says; None if nobody was asked."""
        review = details.get("review")
        if review is None:
            return None
        rate = review["statistics"]["truth_rate"]
        return cls(reviewed=review["reviewed"], rejected=review["rejected"], truth_rate=rate)


_Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Prices(_Frozen):
    """What a run is charged for: the section ``cost`` of a profile. None is guessed.

    Attributes:
        currency: In which the prices are.
        gpu_hour: Price of an hour of one GPU: one for all stages, or one for each of some stages.
        gb_month: Price of 10^9 bytes in the object store for a month.
    """

    currency: str = Field(default="USD", min_length=1, max_length=8)
    gpu_hour: _Price | dict[DeviceStage, _Price] | None = None
    gb_month: _Price | None = None

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> "Prices":
        """What a profile says.

        Raises:
            InvalidInput: A price or a name is wrong.
        """
        try:
            return cls.model_validate(section)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"][:1]))
            raise InvalidInput(
                f"cost.{name} in the profile is wrong: {first['msg']}; docs/operate.md describes it"
            ) from error

    def of_gpu_hour(self, stage: Stage) -> float | None:
        """Price of a GPU hour in a stage; None if none is given."""
        if isinstance(self.gpu_hour, dict):
            return next((price for name, price in self.gpu_hour.items() if name == stage), None)
        return self.gpu_hour


class RunRecord(_Frozen):
    """Everything from which the report of a run is made; JSON by ``model_dump_json``.

    Attributes:
        started: When the command began, with a time zone.
        finished: When the version was committed, with a time zone.
        stages: Timings in the order of the chain.
        read: Caption records read, quarantined ones included.
        quarantined: Quarantined records by reason.
        quarantine: The quarantine shard; None when every record was good.
        pool: Pool shards, in input order.
        shards: What curation, generation and scoring made of each pool shard, in its order.
        verification: What people said of the selection's pairs; None if nobody was asked.
        configuration: The run's configuration as JSON values: recipe, seed, repeats, sampling and
            score parameters, selection rule. Nested mappings are shown by dotted keys.
        model: The model that was trained on the version; None for none.
        evaluation: The evaluation of that model; None for none.
        run: Name under which the run's steps called the services, and its usage is written down.
        prices: What it is charged for.
    """

    name: str
    profile: str
    started: datetime
    finished: datetime
    stages: list[StageTiming]
    read: int = Field(ge=0)
    quarantined: dict[str, int] = Field(default_factory=dict)
    quarantine: ShardRef | None = None
    pool: list[ShardRef]
    shards: list[RunShard]
    selection: ShardRef
    version: VersionRecord
    model: ShardRef | None = None
    evaluation: ShardRef | None = None
    verification: Verification | None = None
    configuration: dict[str, Any] = Field(default_factory=dict)
    run: str = ""
    prices: Prices = Prices()
