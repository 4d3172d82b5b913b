"""The peer's half of ``compare_data_juicer``: runs in an environment with py-data-juicer.

Reads a job as JSON on stdin: ``texts``, ``operators`` (name, statistic, module, class, parameters),
``words`` (the flagged words) and ``repeats``; writes the statistics, the verdicts, the best time of
each operator and of all in sequence, and the peak memory as JSON to the path ``answer``.
"""

import importlib
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_BATCH = 1000


def main() -> None:
    """Does the job."""
    job = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "flagged_words.json").write_text(json.dumps({"en": job["words"]}))
        operators = [_operator(entry, folder) for entry in job["operators"]]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = [float("inf")] * len(operators)
    sequence = float("inf")
    for _ in range(job["repeats"]):
        stats, keep, spent = _run(operators, job["texts"])
        seconds = [min(pair) for pair in zip(seconds, spent, strict=True)]
        sequence = min(sequence, sum(spent))
    answer = {
        "stats": stats,
        "keep": keep,
        "seconds": seconds,
        "sequence_seconds": sequence,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "loaded_mib": before / 1024,
    }
    Path(job["answer"]).write_text(json.dumps(answer))


def _operator(entry: dict[str, Any], folder: str) -> Any:
    module = importlib.import_module(f"data_juicer.ops.filter.{entry['name']}")
    given = dict(entry["parameters"])
    if entry["name"] == "flagged_words_filter":
        given["flagged_words_dir"] = folder
    return getattr(module, entry["class"])(**given)


def _run(
    operators: list[Any], texts: list[str]
) -> tuple[list[dict[str, float]], list[list[bool]], list[float]]:
    stats: list[dict[str, float]] = [{} for _ in texts]
    keep: list[list[bool]] = []
    seconds = []
    for operator in operators:
        begin = time.perf_counter()
        kept: list[bool] = []
        for start in range(0, len(texts), _BATCH):
            batch = {
                "text": texts[start : start + _BATCH],
                "__dj__stats__": stats[start : start + _BATCH],
            }
            kept += operator.process_batched(operator.compute_stats_batched(batch))
        seconds.append(time.perf_counter() - begin)
        keep.append(kept)
    return stats, keep, seconds


if __name__ == "__main__":
    main()
