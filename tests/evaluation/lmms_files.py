"""Result files as lmms-eval 0.7 writes them; as a program, what ``python -m lmms_eval`` is.

The format is that of its ``EvaluationTracker`` and of the tasks' ``process_results``.
"""

import json
import sys
from pathlib import Path
from typing import Any

TIME = "20260301_120000"


def sample(number: int, truth: str, said: str, **metrics: Any) -> dict[str, Any]:
    return {
        "doc_id": number,
        "target": truth,
        "filtered_resps": [said],
        "doc_hash": "0" * 64,
        "input": f"question {number}",
        **metrics,
    }


def pope(count: int = 8) -> tuple[dict[str, float], list[dict[str, Any]]]:
    lines = []
    for number in range(count):
        truth = "yes" if number % 4 else "no"
        about = {
            "question_id": number,
            "score": float(truth == "yes"),
            "prediction": "yes",
            "ground_truth": truth,
        }
        lines.append(sample(number, truth, "Yes", pope_accuracy=about))
    return {"pope_accuracy,none": 0.75, "pope_f1_score,none": 0.857}, lines


def mme() -> tuple[dict[str, float], list[dict[str, Any]]]:
    lines = []
    for number in range(4):
        about = {"question_id": f"count/{number // 2}.jpg", "category": "count", "score": 1.0}
        lines.append(sample(number, "Yes", "yes", mme_perception_score=about))
    about = {"question_id": "code/1.png", "category": "code_reasoning", "score": 0.0}
    lines += [sample(n, "No", "yes", mme_cognition_score=about) for n in (4, 5)]
    return {"mme_perception_score,none": 200.0, "mme_cognition_score,none": 0.0}, lines


def gqa() -> tuple[dict[str, float], list[dict[str, Any]]]:
    lines = [sample(n, "red", "red" if n else "blue", exact_match=float(n > 0)) for n in range(4)]
    return {"exact_match,none": 0.75, "exact_match_stderr,none": 0.2}, lines


def mmbench() -> tuple[dict[str, float], list[dict[str, Any]]]:
    judged = {"index": 1, "answer": "A", "prediction": "A", "category": "x"}
    lines = [sample(1, "A", "A", gpt_eval_score=judged, submission=judged)]
    return {"gpt_eval_score,none": 64.3}, lines


def mmvet() -> tuple[dict[str, float], list[dict[str, Any]]]:
    scores = (0.0, 0.5, 1.0, 0.1)
    lines = [
        sample(n, "x", "y", gpt_eval_score={"question_id": f"v1_{n}", "score": score})
        for n, score in enumerate(scores)
    ]
    return {"gpt_eval_score,none": 40.0}, lines


TASKS = {"pope": pope, "mme": mme, "gqa": gqa, "mmbench_en_dev": mmbench, "mmvet": mmvet}


def write_results(folder: Path, task: str, time: str = TIME) -> Path:
    """Writes what a run of one task leaves below ``folder``."""
    metrics, lines = TASKS[task]()
    place = folder / "models__llava"
    place.mkdir(parents=True, exist_ok=True)
    results = place / f"{time}_results.json"
    results.write_text(
        json.dumps(
            {
                "results": {task: {"alias": task, **metrics}},
                "n-samples": {task: {"original": len(lines), "effective": len(lines)}},
                "config": {"model": "llava_hf"},
                "model_name_sanitized": "models__llava",
            }
        )
    )
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (place / f"{time}_samples_{task}.jsonl").write_text(text)
    return results


if __name__ == "__main__":
    options = dict(zip(sys.argv[1:], sys.argv[2:], strict=False))
    if options["--tasks"] == "vqav2_val":
        sys.exit("RuntimeError: no such data set in the cache")
    write_results(Path(options["--output_path"]), options["--tasks"])
