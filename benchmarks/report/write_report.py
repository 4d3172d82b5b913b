"""Time and memory of the report of a large run.

    python -m benchmarks.report.write_report --captions 100000 --repeats 2

Writes the shards of a run with random scores, selects each caption's best image, and makes
the report in a process of its own. Prints seconds, the size of the page and peak resident memory,
which must stay below --limit-mib.
"""

import argparse
import io
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.dataset.selection import SHARD, measured, write_chain
from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.selection import select
from synthvlm.progress import SILENT
from synthvlm.report.record import RunRecord, RunShard, StageTiming, VersionRecord
from synthvlm.report.write import write_report
from synthvlm.storage import file_uri, open_store, parse_location, sha256_digest


def picture() -> bytes:
    """A JPEG of noise as large as SDXL's, so that it has to be scaled down for the page."""
    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=50)
    return buffer.getvalue()


def make_run(uri: str, folder: Path, captions: int, repeats: int) -> RunRecord:
    """Writes the shards of a run; its record."""
    store = open_store(parse_location(uri))
    data = picture()
    chains = [
        write_chain(store, folder, first, min(SHARD, captions - first), repeats, data)
        for first in range(0, captions, SHARD)
    ]
    selected = select(store, chains, SelectionRule(top_fraction=1.0), SILENT)
    now = datetime.now(UTC)
    return RunRecord(
        name="benchmark",
        profile="mini",
        started=now,
        finished=now,
        stages=[StageTiming(stage="select", seconds=1, done=selected.scored)],
        read=2 * captions,
        pool=[],
        shards=[
            RunShard(caption_set=one.caption_set, image_set=one.image_set, score_set=one.score_set)
            for one in chains
        ],
        selection=selected.ref,
        version=VersionRecord(
            name="benchmark", version=1, digest=sha256_digest(b""), pairs=selected.selected
        ),
    )


def run_report(uri: str, record: RunRecord, to: Path) -> int:
    """Makes the report; bytes of the page."""
    return write_report(uri, record, to).stat().st_size


def main() -> int:
    """Measures; the exit status says whether memory stayed below the limit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--captions", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--limit-mib", type=float, default=1024)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uri = file_uri(folder / "store")
        record = make_run(uri, folder, options.captions, options.repeats)
        size, seconds, mib = measured(run_report, uri, record, folder / "report.html")
        print(
            f"report of {record.version.pairs:,} pairs of {options.captions * options.repeats:,} "
            f"images: {seconds:.1f} s, {size / 2**20:.1f} MiB, peak RSS {mib:.0f} MiB"
        )
        return 0 if mib < options.limit_mib else 1


if __name__ == "__main__":
    sys.exit(main())
