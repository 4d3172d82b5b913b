"""The section ``evaluation`` of a profile."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from synthvlm.evaluation.benchmarks import BENCHMARKS


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True
    )


class SceneSettings(_Section):
    """Questions about drawn scenes, and texts of the scene world."""

    scenes: Annotated[int, Field(ge=1)] = 1000
    """Scenes to draw."""
    questions_per_scene: Annotated[int, Field(ge=1)] = 2
    """Most questions about a scene, of the kinds that were asked least so far; 9 asks all."""
    texts: Annotated[int, Field(ge=2)] = 300
    """Captions whose perplexity is measured, and captions to be judged: so many of each."""
    seed: Annotated[int, Field(ge=990_000, lt=1_000_000)] = 990_001
    """Seed of the scenes, from the range that is kept for exams: no training draws from it."""


class MmluSettings(_Section):
    """MMLU by lm-eval, to see whether text ability is kept."""

    folder: Path
    """Local copy of the data set ``cais/mmlu``: a folder that the library ``datasets`` can load."""
    subjects: list[str] = []
    """Subjects, such as ``abstract_algebra``; all 57 by default."""
    shots: Annotated[int, Field(ge=0)] = 5
    """Examples before each question."""


class LmmsSettings(_Section):
    """Benchmarks by lmms-eval, which is installed apart from this package."""

    python: Path
    """The Python interpreter of the environment that has lmms-eval."""
    benchmarks: list[str] = list(BENCHMARKS)
    """Names of benchmarks, as docs/evaluate.md lists them."""
    model: str = "llava_hf"
    """lmms-eval's name of the class that runs the model."""
    batch_size: Annotated[int, Field(ge=1)] = 1
    """Questions at once; ``llava_hf`` wants 1."""

    @model_validator(mode="after")
    def _benchmarks_are_known(self) -> "LmmsSettings":
        if unknown := sorted(set(self.benchmarks) - set(BENCHMARKS)):
            raise ValueError(f"unknown benchmarks {unknown}; there are {', '.join(BENCHMARKS)}")
        return self


class EvaluationSettings(_Section):
    """What to evaluate, and how; nothing is evaluated that has no section."""

    language_model: str = ""
    """What text results are compared with: ``bundled:NAME`` or a folder; none if empty."""
    device: str = "cpu"
    """Where the model runs: cpu, cuda or cuda:N."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Precision of weights and products."""
    threads: Annotated[int, Field(ge=1)] = 2
    """CPU threads of torch."""
    batch_size: Annotated[int, Field(ge=1)] = 256
    """Questions at once."""
    scenes: SceneSettings | None = None
    """Questions about the scene world."""
    mmlu: MmluSettings | None = None
    """MMLU."""
    lmms: LmmsSettings | None = None
    """Benchmarks of lmms-eval."""

    @model_validator(mode="after")
    def _something_is_evaluated(self) -> "EvaluationSettings":
        if self.scenes is None and self.mmlu is None and self.lmms is None:
            raise ValueError("give at least one of the sections scenes, mmlu and lmms")
        return self

    def deciding(self) -> dict[str, Any]:
        """What decides the answers, as JSON values: not where things lie."""
        return self.model_dump(
            mode="json",
            exclude={"language_model": True, "mmlu": {"folder"}, "lmms": {"python"}},
        )
