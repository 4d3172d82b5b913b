"""Many annotators at once over gRPC: how long a call takes, and whether a verdict gets lost.

Each annotator has a token of their own, leases pairs ahead as the page does, looks at each for a
while, and sends each verdict until the service has confirmed it. With ``--kill-at`` the service is
killed (SIGKILL) in the middle and started again. In the end the campaign is finished, and every
verdict that was made must be in its ReviewSet once.

    python -m benchmarks.review.annotators --annotators 200 --seconds 60 --kill-at 30
"""

import argparse
import asyncio
import json
import random
import signal
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa

from synthvlm.client import ReviewClient, connect
from synthvlm.local.processes import ServiceProcess, start_process, wait_ready
from synthvlm.review.people import token_digest
from synthvlm.review.v1 import review_pb2 as pb
from synthvlm.review.v1 import review_pb2_grpc
from synthvlm.storage import (
    Commit,
    ShardKey,
    ShardRef,
    Store,
    file_location,
    open_shard,
    open_store,
    sha256_digest,
)
from synthvlm.storage.protos import ref_to_proto
from synthvlm.storage.schemas import SELECTION, SELECTION_FILE, VERDICTS, VERDICTS_FILE
from synthvlm.storage.tables import table_bytes

AHEAD = 3
"""Pairs that an annotator has ready, besides the one that they look at."""

_ARRIVAL = 12
"""Annotators arrive within this part of the time."""

_BATCH = 10
_RETRY_SECONDS = 0.2
_OWNER = "owner-token"


@dataclass
class Measured:
    """What annotators saw.

    Attributes:
        seconds: Of each call that was answered, by its method.
        sent: The verdict of each annotator on each pair, by the id that it was sent with.
        failures: Calls that failed and were sent again.
        repeated: Verdicts that were recorded before they were sent again: answers that were lost.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    sent: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    failures: int = 0
    repeated: int = 0

    def percentile(self, method: str, share: float) -> float:
        """Milliseconds that so great a share of the calls took at most."""
        ordered = sorted(self.seconds[method])
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Service:
    """The review service as a process that can be killed and started again in its place."""

    def __init__(self, folder: Path, annotators: Sequence[str]) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        lines = [f"owner owner {token_digest(_OWNER)}"]
        lines += [f"{name} annotator {token_digest(name)}" for name in annotators]
        (folder / "people").write_text("\n".join(lines), encoding="utf-8")
        self.process: ServiceProcess | None = None

    def start(self) -> None:
        """Starts it, and waits until it serves."""
        self.process = start_process(
            "review",
            "synthvlm.review",
            [
                *("--store-roots", self._folder.as_uri(), "--web.listen", "127.0.0.1:0"),
                *("--database", f"sqlite:///{self._folder}/review.sqlite"),
                *("--second-opinion.engine", "none"),
                *("--people-file", str(self._folder / "people"), "--log-level", "WARNING"),
            ],
            address_file=self._folder / "review.json",
            log=self._folder / "review.log",
            listen=self.address,
        )
        wait_ready([self.process])

    def kill(self) -> None:
        """Kills it at once."""
        assert self.process is not None
        self.process.kill()

    def end(self) -> None:
        """Ends it in good order."""
        assert self.process is not None
        self.process.process.send_signal(signal.SIGTERM)
        self.process.wait_ended(30)


def make_selection(store: Store, pairs: int) -> ShardRef:
    """A Selection of so many pairs with images of a few bytes."""
    image = b"\xff\xd8 not looked at by annotators of a benchmark"
    rows = [
        {
            **{"rank": number, "caption_id": f"c{number:06d}", "text": f"caption {number} " * 8},
            **{"source_id": None, "image_id": f"i{number:06d}", "repeat": 0, "seed": number},
            **{"clip_score": 0.3, "ssim_score": 0.3, "weighted_score": 0.3 + number / pairs / 10},
            **{"file": f"i{number:06d}.jpg", "media_type": "image/jpeg", "width": 8, "height": 8},
            **{"offset": 0, "size": len(image), "sha256": sha256_digest(image)},
            **{"truncated": False, "image_set": "images/1", "image_set_digest": "sha256:0"},
        }
        for number in range(pairs)
    ]
    store.write("images/1/images.tar", image)
    data = table_bytes(pa.Table.from_pylist(rows, SELECTION), SELECTION)
    key = ShardKey("selection", {"index": sha256_digest(data)})
    return Commit(store, key).finish({SELECTION_FILE: data}, records=pairs)


async def annotate(
    address: str, campaign: str, name: str, pace: float, until: float, measured: Measured
) -> None:
    """One annotator, who judges pairs until the time is over or none are left."""
    rng = random.Random(name)
    metadata = (("authorization", f"Bearer {name}"),)
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = review_pb2_grpc.ReviewServiceStub(channel)

        async def call(method: str, request: Any) -> Any:
            while True:
                began = time.monotonic()
                try:
                    answer = await getattr(stub, method)(request, metadata=metadata, timeout=10)
                except grpc.aio.AioRpcError as error:
                    if error.code() not in (
                        grpc.StatusCode.UNAVAILABLE,
                        grpc.StatusCode.DEADLINE_EXCEEDED,
                        grpc.StatusCode.RESOURCE_EXHAUSTED,
                    ):
                        raise
                    measured.failures += 1
                    await asyncio.sleep(_RETRY_SECONDS * (1 + rng.random()))
                    continue
                measured.seconds.setdefault(method, []).append(time.monotonic() - began)
                return answer

        queue: list[int] = []
        done: set[int] = set()
        await asyncio.sleep(rng.random() * (until - time.monotonic()) / _ARRIVAL)
        while time.monotonic() < until:
            if len(queue) <= AHEAD:
                request = pb.LeasePairsRequest(campaign_id=campaign, count=_BATCH)
                leased = await call("LeasePairs", request)
                known = done.union(queue)
                queue += [one.pair_id for one in leased.pairs if one.pair_id not in known]
                if not queue:
                    return
            await asyncio.sleep(rng.expovariate(1 / pace))
            pair, alignment = queue.pop(0), rng.choice((1, 1, 1, 2, 3))
            done.add(pair)
            key = f"{name}-{pair}"
            measured.sent[name, key] = (pair, alignment)
            entry = pb.SubmittedVerdict(
                pair_id=pair,
                request_id=key,
                verdict=pb.Verdict(alignment=pb.Alignment.Name(alignment)),
            )
            answer = await call(
                "SubmitVerdicts", pb.SubmitVerdictsRequest(campaign_id=campaign, verdicts=[entry])
            )
            (outcome,) = answer.outcomes
            assert outcome != pb.OUTCOME_REFUSED, f"{name} was refused pair {pair}"
            measured.repeated += outcome == pb.OUTCOME_RECORDED_BEFORE


async def load(
    address: str, campaign: str, names: Sequence[str], pace: float, seconds: float
) -> Measured:
    """All annotators at once."""
    measured = Measured()
    until = time.monotonic() + seconds
    await asyncio.gather(
        *(annotate(address, campaign, name, pace, until, measured) for name in names)
    )
    return measured


def load_and_kill(
    service: Service, campaign: str, names: Sequence[str], pace: float, seconds: float, kill: float
) -> Measured:
    """The same; the service is killed after ``kill`` seconds, unless that is 0.

    A service ends with the thread that started it, so this one does.
    """
    with ThreadPoolExecutor(1) as pool:
        work = load(service.address, campaign, names, pace, seconds)
        running = pool.submit(asyncio.run, work)
        if kill:
            time.sleep(kill)
            service.kill()
            service.start()
        return running.result()


def check(store: Store, review_set: ShardRef, measured: Measured, wanted: int) -> dict[str, int]:
    """Compares what was made with what was kept.

    Returns:
        Verdicts lost, doubled and changed, and pairs with more verdicts than were wanted: all 0.
    """
    rows = open_shard(store, review_set).table(VERDICTS_FILE, VERDICTS).to_pylist()
    kept = Counter((row["annotator"], row["request_id"]) for row in rows)
    words = {1: "yes", 2: "partly", 3: "no"}
    said = {key: words[alignment] for key, (_, alignment) in measured.sent.items()}
    each = Counter(row["image_id"] for row in rows)
    return {
        "lost": len(said.keys() - kept.keys()),
        "doubled": sum(count - 1 for count in kept.values())
        + len(rows)
        - len({(row["annotator"], row["image_id"]) for row in rows}),
        "changed": sum(
            said.get((row["annotator"], row["request_id"])) != row["alignment"] for row in rows
        ),
        "too many": sum(count > wanted for count in each.values()),
    }


def measure(
    annotators: int, seconds: float, pace: float, kill: float, pairs: int
) -> dict[str, Any]:
    """Runs the benchmark; the figures as JSON values."""
    with tempfile.TemporaryDirectory(prefix="synthvlm-annotators-") as name:
        folder = Path(name)
        store = open_store(file_location(folder))
        names = [f"p{number:03d}" for number in range(annotators)]
        service = Service(folder, names)
        service.start()
        try:
            with connect(service.address, token=_token(folder)) as channel:
                owner = ReviewClient(channel)
                campaign = owner.create_campaign(
                    pb.CreateCampaignRequest(
                        store={"uri": store.uri},
                        source=ref_to_proto(make_selection(store, pairs)),
                        design={"title": "Load", "sample_size": pairs, "verdicts_per_pair": 3},
                    )
                ).campaign.campaign_id
                owner.open_campaign(pb.OpenCampaignRequest(campaign_id=campaign))
            measured = load_and_kill(service, campaign, names, pace, seconds, kill)
            with connect(service.address, token=_token(folder)) as channel:
                owner = ReviewClient(channel)
                owner.close_campaign(pb.CloseCampaignRequest(campaign_id=campaign))
                finished = owner.finish_campaign(
                    pb.FinishCampaignRequest(campaign_id=campaign), timeout=600
                ).campaign.review_set
        finally:
            service.end()
        ref = ShardRef(finished.path, finished.digest, finished.records)
        return {
            "annotators": annotators,
            "verdicts": len(measured.sent),
            "sent again": measured.failures,
            "answers lost": measured.repeated,
            **check(store, ref, measured, 3),
            "milliseconds": {
                method: {
                    "calls": len(times),
                    "median": round(measured.percentile(method, 0.5), 1),
                    "p95": round(measured.percentile(method, 0.95), 1),
                    "p99": round(measured.percentile(method, 0.99), 1),
                }
                for method, times in sorted(measured.seconds.items())
            },
        }


def _token(folder: Path) -> Path:
    file = folder / "owner"
    file.write_text(_OWNER, encoding="utf-8")
    return file


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Many annotators at once over gRPC.")
    parser.add_argument("--annotators", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pace", type=float, default=2.0, help="mean seconds that a pair takes")
    parser.add_argument("--kill-at", type=float, default=0, help="seconds until kill -9; 0: never")
    parser.add_argument("--pairs", type=int, default=10_000)
    given = parser.parse_args()
    figures = measure(given.annotators, given.seconds, given.pace, given.kill_at, given.pairs)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
