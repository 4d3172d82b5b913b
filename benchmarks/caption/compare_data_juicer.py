"""Our rules against py-data-juicer's on the same texts: parity, captions per second, memory.

    python -m benchmarks.caption.compare_data_juicer --captions FILE [--fuzz 20000] [--seed 1]

py-data-juicer is installed into an environment of its own (``--environment``), because it installs
further packages on its own. Statistics are compared as doubles, bit for bit.

``--write-golden FILE`` keeps py-data-juicer's answers for 700 hard texts and stops: the file that
tests/caption/test_statistics.py checks against where py-data-juicer is not installed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import zstandard

from benchmarks.caption.hard_texts import hard_texts
from synthvlm.caption.locations import Locations
from synthvlm.caption.readers import (
    CaptionRecord,
    Layout,
    Notices,
    find_caption_file,
    read_records,
)
from synthvlm.caption.recipe import shipped_flagged_words
from synthvlm.storage import canonical_json

PACKAGES = ("py-data-juicer==1.6.1", "aiohttp")
ROOT = Path(__file__).parents[2]

OPERATORS: list[dict[str, Any]] = [
    {
        "name": "alphanumeric_filter",
        "class": "AlphanumericFilter",
        "parameters": {"tokenization": False, "min_ratio": 0.60},
    },
    {
        "name": "character_repetition_filter",
        "class": "CharacterRepetitionFilter",
        "parameters": {"rep_len": 10, "max_ratio": 0.09373663},
    },
    {
        "name": "flagged_words_filter",
        "class": "FlaggedWordFilter",
        "parameters": {"lang": "en", "tokenization": False, "max_ratio": 0.0},
    },
    {
        "name": "special_characters_filter",
        "class": "SpecialCharactersFilter",
        "parameters": {"min_ratio": 0.16534802, "max_ratio": 0.42023757},
    },
    {
        "name": "word_repetition_filter",
        "class": "WordRepetitionFilter",
        "parameters": {
            "lang": "en",
            "tokenization": False,
            "rep_len": 10,
            "max_ratio": 0.03085751,
        },
    },
    {"name": "text_length_filter", "class": "TextLengthFilter", "parameters": {}},
    {"name": "words_num_filter", "class": "WordsNumFilter", "parameters": {}},
]

FOUR = (
    "alphanumeric_filter",
    "character_repetition_filter",
    "special_characters_filter",
    "word_repetition_filter",
)
"""The rules of the figure that is often given for Data-Juicer: these four in sequence."""


def main() -> None:
    """Runs the comparison and prints it."""
    arguments = _arguments()
    python = _peer_python(arguments.environment)
    if arguments.write_golden:
        _write_golden(python, arguments.write_golden)
        return
    failed = False
    if arguments.captions:
        captions = _captions(arguments.captions)
        failed |= _compare(python, f"captions of {arguments.captions.name}", captions, 5)
        four = [entry for entry in OPERATORS if entry["name"] in FOUR]
        failed |= _compare(python, "the same, four rules only", captions, 5, four)
    for number in range(arguments.fuzz // 10_000 or bool(arguments.fuzz)):
        seed = arguments.seed + number
        texts = hard_texts(min(arguments.fuzz, 10_000), seed)
        failed |= _compare(python, f"hard texts of seed {seed}", texts, 1)
    sys.exit(failed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--captions", type=Path, help="a caption file, for speed and parity")
    parser.add_argument("--fuzz", type=int, default=20_000, help="hard texts, for parity")
    parser.add_argument("--seed", type=int, default=1, help="seed of the hard texts")
    parser.add_argument(
        "--environment",
        type=Path,
        default=ROOT / "build" / "data-juicer",
        help="virtual environment of py-data-juicer; made when it does not exist",
    )
    parser.add_argument("--write-golden", type=Path, help="where to write the golden file")
    return parser.parse_args()


def _peer_python(environment: Path) -> Path:
    python = environment / "bin" / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def _captions(path: Path) -> list[str]:
    file = find_caption_file(str(path.resolve()), Locations(["/"]))
    records = read_records(file, Layout(), Notices(file.name))
    return [record.text for record in records if isinstance(record, CaptionRecord)]


def _answer(
    python: Path, module: str, texts: list[str], repeats: int, operators: list[dict[str, Any]]
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        job = {
            "texts": texts,
            "operators": operators,
            "words": sorted(shipped_flagged_words()),
            "repeats": repeats,
            "answer": str(answer),
        }
        subprocess.run(
            [python, "-m", f"benchmarks.caption.{module}"],
            input=json.dumps(job).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            check=True,
        )
        result: dict[str, Any] = json.loads(answer.read_text())
        return result


def _compare(
    python: Path,
    title: str,
    texts: list[str],
    repeats: int,
    operators: list[dict[str, Any]] = OPERATORS,
) -> bool:
    """Prints both sides; returns whether they differ."""
    theirs = _answer(python, "data_juicer_peer", texts, repeats, operators)
    ours = _answer(Path(sys.executable), "native_peer", texts, repeats, operators)
    print(f"\n{title}: {len(texts):,} texts, {sum(map(len, texts)):,} characters")
    print(f"{'':32}{'differences':>12}{'Data-Juicer':>16}{'SynthVLM':>16}{'times':>8}")
    total = 0
    for number, operator in enumerate(operators):
        differences = sum(
            a != b for a, b in zip(theirs["keep"][number], ours["keep"][number], strict=True)
        )
        total += differences
        seconds = theirs["seconds"][number], ours["seconds"][number]
        print(_row(operator["name"], f"{differences}", len(texts), *seconds))
    statistics = sum(
        bool({k: float(v) for k, v in a.items()} != b)
        for a, b in zip(theirs["stats"], ours["stats"], strict=True)
    )
    total += statistics
    seconds = theirs["sequence_seconds"], ours["sequence_seconds"]
    print(_row("all in sequence; statistics", f"{statistics}", len(texts), *seconds))
    memory = [f"{side['peak_mib']:,.0f} MiB" for side in (theirs, ours)]
    print(f"{'peak memory of the process':32}{'':>12}{memory[0]:>16}{memory[1]:>16}")
    return total > 0


def _row(name: str, differences: str, texts: int, theirs: float, ours: float) -> str:
    rates = [f"{texts / seconds:,.0f}/s" for seconds in (theirs, ours)]
    return f"{name:32}{differences:>12}{rates[0]:>16}{rates[1]:>16}{theirs / ours:>8.1f}"


def _write_golden(python: Path, path: Path) -> None:
    texts = hard_texts(700, seed=0)
    answer = _answer(python, "data_juicer_peer", texts, 1, OPERATORS)
    golden = {
        "packages": list(PACKAGES),
        "operators": OPERATORS,
        "words": sorted(shipped_flagged_words()),
        "texts": texts,
        "stats": answer["stats"],
        "keep": answer["keep"],
    }
    path.write_bytes(zstandard.ZstdCompressor(level=19).compress(canonical_json(golden)))
    print(f"{path}: {len(texts)} texts, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
