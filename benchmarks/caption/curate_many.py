"""Import and curation of many captions by the real service: rate, and memory of its process.

    python -m benchmarks.caption.curate_many [--captions 100000] [--from FILE]

The captions are those of a file, each with a number added, or the scene world's; every hundredth
record is malformed. The service runs as a process of its own and is called through gRPC.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.caption.hard_texts import scenes
from synthvlm.caption.locations import Locations
from synthvlm.caption.readers import (
    CaptionRecord,
    Layout,
    Notices,
    find_caption_file,
    read_records,
)
from synthvlm.caption.v1 import caption_pb2
from synthvlm.client import CaptionClient, connect
from synthvlm.storage.v1 import shard_pb2

LIMIT_MIB = 1024


def main() -> None:
    """Runs the benchmark and prints it; exits with 1 when the service needs too much memory."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--captions", type=int, default=100_000, help="records to import")
    parser.add_argument("--from", dest="file", type=Path, help="a caption file to take texts from")
    parser.add_argument("--shard-size", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = _write(folder / "many.jsonl", _texts(arguments.file), arguments.captions)
        print(f"{arguments.captions:,} records, {size / 2**20:,.1f} MiB of JSON Lines")
        with _service(folder) as (client, process):
            idle = process.memory_info().rss
            store = shard_pb2.ShardStore(uri=f"file://{folder}/store")
            imported = _import(client, store, folder / "many.jsonl", arguments)
            _curate(client, store, imported)
            peak = _peak(process)
    print(f"memory of the service: {idle / 2**20:,.0f} MiB idle, {peak:,.0f} MiB at its peak")
    sys.exit(peak > LIMIT_MIB)


def _import(
    client: CaptionClient,
    store: shard_pb2.ShardStore,
    file: Path,
    arguments: argparse.Namespace,
) -> caption_pb2.ImportResult:
    begin = time.perf_counter()
    request = caption_pb2.ImportCaptionsRequest(
        store=store, files=[str(file)], shard_size=arguments.shard_size
    )
    result = client.import_captions(request)
    seconds = time.perf_counter() - begin
    print(
        f"import: {result.read / seconds:,.0f} records/s; {len(result.shards)} shards, "
        f"{sum(count.records for count in result.quarantined):,} records quarantined"
    )
    return result


def _curate(
    client: CaptionClient, store: shard_pb2.ShardStore, imported: caption_pb2.ImportResult
) -> None:
    begin = time.perf_counter()
    results = [
        client.curate_shard(caption_pb2.CurateShardRequest(store=store, pool=shard))
        for shard in imported.shards
    ]
    seconds = time.perf_counter() - begin
    read, kept = (sum(getattr(result, name) for result in results) for name in ("read", "kept"))
    print(f"curation: {read / seconds:,.0f} captions/s; {kept:,} of {read:,} kept")


def _texts(file: Path | None) -> list[str]:
    if file is None:
        return scenes(10_000, seed=1)
    found = find_caption_file(str(file.resolve()), Locations(["/"]))
    records = read_records(found, Layout(), Notices(found.name))
    return [record.text for record in records if isinstance(record, CaptionRecord)]


def _write(path: Path, texts: list[str], count: int) -> int:
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            record = {"id": number, "caption": f"{texts[number % len(texts)]} No {number}."}
            file.write("{broken\n" if number % 100 == 99 else json.dumps(record) + "\n")
    return path.stat().st_size


@contextmanager
def _service(folder: Path) -> Iterator[tuple[CaptionClient, psutil.Process]]:
    address_file = folder / "address.json"
    command = [
        *(sys.executable, "-m", "synthvlm.caption", "--log-level", "ERROR"),
        *("--address-file", str(address_file), "--store-roots", f"file://{folder}"),
    ]
    with subprocess.Popen(command) as process:
        try:
            while not address_file.exists():
                if process.poll() is not None:
                    raise RuntimeError("the service did not start")
                time.sleep(0.1)
            address = json.loads(address_file.read_text())["address"]
            with connect(address) as channel:
                yield CaptionClient(channel), psutil.Process(process.pid)
        finally:
            process.terminate()


def _peak(process: psutil.Process) -> float:
    """The largest resident size that the process has had, in MiB (Linux's VmHWM)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
