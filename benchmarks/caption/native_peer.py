"""Our half of ``compare_data_juicer``, in a process of its own so that its memory can be measured.

Takes the same job and gives the same answer as ``data_juicer_peer``.
"""

import json
import resource
import sys
import time
from pathlib import Path

import yaml

from synthvlm.caption.locations import Locations
from synthvlm.caption.recipe import parse_recipe
from synthvlm.caption.rules import judge


def main() -> None:
    """Does the job."""
    job = json.load(sys.stdin)
    process = [{entry["name"]: dict(entry["parameters"])} for entry in job["operators"]]
    for entry in process:
        if "flagged_words_filter" in entry:
            entry["flagged_words_filter"]["flagged_words"] = job["words"]
    recipe = parse_recipe(yaml.safe_dump({"process": process}), Locations([]))
    texts = job["texts"]
    judge(recipe.rules, ["the tables are made for the first text"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = [float("inf")] * len(recipe.rules)
    sequence = float("inf")
    for _ in range(job["repeats"]):
        for number, rule in enumerate(recipe.rules):
            begin = time.perf_counter()
            judge([rule], texts)
            seconds[number] = min(seconds[number], time.perf_counter() - begin)
        begin = time.perf_counter()
        verdicts = judge(recipe.rules, texts)
        sequence = min(sequence, time.perf_counter() - begin)
    answer = {
        "stats": [verdicts.statistics_of(number) for number in range(len(texts))],
        "keep": (~verdicts.drops).tolist(),
        "seconds": seconds,
        "sequence_seconds": sequence,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "loaded_mib": before / 1024,
    }
    Path(job["answer"]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
