"""The benchmarks of the paper that lmms-eval runs, and where lmms-eval puts their scores."""

from dataclasses import dataclass
from typing import Final

from synthvlm.evaluation.results import Unit


@dataclass(frozen=True)
class Benchmark:
    """A benchmark as lmms-eval runs it.

    Attributes:
        task: lmms-eval's task; the same name is in its files.
        metric: Metric in the file of results.
        unit: What its value is.
        scale: What a perfect score is in the file of results: 1, or 100 for percentages.
        judged: Whether a judge scores the answers: a model behind an API, which
            ``docs/evaluate.md`` says how to give.
    """

    task: str
    metric: str
    unit: Unit = "share"
    scale: float = 1.0
    judged: bool = False


BENCHMARKS: Final = {
    "scienceqa": Benchmark("scienceqa", "exact_match"),
    "scienceqa-image": Benchmark("scienceqa_img", "exact_match"),
    "vqav2": Benchmark("vqav2_val", "exact_match"),
    "vizwiz": Benchmark("vizwiz_vqa_val", "exact_match"),
    "gqa": Benchmark("gqa", "exact_match"),
    "pope": Benchmark("pope", "pope_accuracy"),
    "mme-perception": Benchmark("mme", "mme_perception_score", "points"),
    "mme-cognition": Benchmark("mme", "mme_cognition_score", "points"),
    "mmbench": Benchmark("mmbench_en_dev", "gpt_eval_score", scale=100.0, judged=True),
    "mm-vet": Benchmark("mmvet", "gpt_eval_score", scale=100.0, judged=True),
}
"""By name, as ``docs/evaluate.md`` lists them."""
