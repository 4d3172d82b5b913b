"""How a run ended, whichever way, as JSON for programs; ``render`` makes the page for people."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from synthvlm.report.record import VersionRecord
from synthvlm.storage.refs import ShardRef

RUN_NAME = r"[a-z0-9][a-z0-9-]{0,99}"
"""Pattern of a run's name."""

OUTCOME_FILE = "outcome.json"
"""The outcome's name within the run's folder."""

ENDED_SILENTLY = "ENDED_SILENTLY"
"""Code of a failure of which nobody told: the step that had begun was killed."""

NEVER_BEGAN = "NEVER_BEGAN"
"""Code of a failure before a stage began: the pipeline's own, or the cluster's."""


def run_folder(run_name: str) -> str:
    """The folder of the store with what a run leaves when it ends."""
    return f"reports/{run_name}"


class _Frozen(BaseModel):
    """Part of a file that another version may have written: it may know more than this one."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Failure(_Frozen):
    """Why a run has not come to its end.

    Attributes:
        stage: The stage that failed.
        shard: Number of its shard, from 0.
        shards: Shards of the stage; 1 for a stage that runs once.
        code: Name of the gRPC status code, ``ENDED_SILENTLY``, ``NEVER_BEGAN`` or ``CANCELLED``.
        reason: What went wrong, one line.
    """

    stage: str
    shard: int = Field(default=0, ge=0)
    shards: int = Field(default=1, ge=1)
    code: str
    reason: str

    def text(self) -> str:
        """Stage, shard and reason in one line."""
        where = f" on shard {self.shard + 1} of {self.shards}" if self.shards > 1 else ""
        return f"the stage {self.stage} failed{where}: {self.reason}"


class StageOutcome(_Frozen):
    """How far a stage came, all its shards together.

    Attributes:
        shards: Shards that it works on; 0 if that was not known yet.
        finished: Shards that are finished.
        unfinished: Numbers of the shards that had begun and are not finished.
        done: Records finished, resumed and reused ones included.
        resumed: Of ``done``, those of an earlier attempt.
        reused: Of ``done``, those that were found in other shards.
        seconds: Time in which at least one of its shards was worked on.
    """

    stage: str
    shards: int = Field(ge=0)
    finished: int = Field(ge=0)
    unfinished: list[int] = []
    done: int = Field(default=0, ge=0)
    resumed: int = Field(default=0, ge=0)
    reused: int = Field(default=0, ge=0)
    seconds: float = Field(default=0, ge=0)


class DeviceUse(_Frozen):
    """What a stage took of devices, by what its attempts have written down.

    Attributes:
        made: Records that they made.
        seconds: Seconds in which a device computed, all devices added up.
        compute: Price of that; None where none is given.
    """

    stage: str
    made: int = Field(ge=0)
    seconds: float = Field(ge=0)
    compute: float | None = None


class PoolShard(_Frozen):
    """What a run has made of a pool shard: its captions, their images, and the scores if any."""

    caption_set: ShardRef
    image_set: ShardRef
    score_set: ShardRef | None = None


class ArmOutcome(_Frozen):
    """What an arm of an ablation came to.

    Attributes:
        name: Its name.
        selection: Its Selection.
        version: Its dataset version.
        model: The model that was trained on it.
        evaluation: The evaluation of that model.
        headlines: A line on each benchmark.
        comparison: The comparison with the first arm; None for that one.
    """

    name: str
    selection: ShardRef | None = None
    version: VersionRecord | None = None
    model: ShardRef | None = None
    evaluation: ShardRef | None = None
    headlines: list[str] = []
    comparison: ShardRef | None = None


class Outcome(_Frozen):
    """How a run ended; JSON by ``model_dump_json``.

    Attributes:
        run: The run's name.
        pipeline: Name of the pipeline.
        state: Whether every stage finished.
        failure: What failed; None for a run that succeeded.
        resume: How the run is gone on with; what is finished is not made again.
        started: When its first step began; None if none did.
        finished: When this was written.
        stages: The stages in their order.
        counts: Records read, quarantined, kept, generated, scored and selected.
        made: Images and scores that this run made.
        reused: Images and scores that it found.
        device_use: What its images and scores took, earlier attempts of the run included.
        currency: Of the prices.
        pool: What there is of each pool shard; none unless the run succeeded.
        selection: The Selection; None if there is none.
        version: The dataset version; None if there is none.
        model: The trained model; None if there is none.
        evaluation: Its evaluation; None if there is none.
        arms: The arms of an ablation, the one that the others are compared with first.
        report: Path of the page below the store's root.
        problem: Why the page shows less than it could; empty if it does not.
    """

    run: str
    pipeline: str
    state: Literal["succeeded", "failed"]
    failure: Failure | None = None
    resume: str = ""
    started: datetime | None = None
    finished: datetime
    stages: list[StageOutcome]
    counts: dict[str, int] = {}
    made: dict[str, int] = {}
    reused: dict[str, int] = {}
    device_use: list[DeviceUse] = []
    currency: str = ""
    pool: list[PoolShard] = []
    selection: ShardRef | None = None
    version: VersionRecord | None = None
    model: ShardRef | None = None
    evaluation: ShardRef | None = None
    arms: list[ArmOutcome] = []
    report: str = ""
    problem: str = ""
