"""Overload of the service: many times more calls than it can answer, for a while.

    python -m benchmarks.generation.overload --seconds 60 --times 10 [--client-cpu 0]

Measures what the service does with as many clients as it computes at once, then calls it at
``times`` that rate, whether or not it answers. Exits with 1 unless every call that was admitted was
answered, every other one was told within 100 milliseconds to retry later, memory stayed within a
tenth of what it was, and the service is healthy afterwards. How long refusals take is told twice:
as the clients see it, and from the call's beginning to its end in the service, as its log says.
With --client-cpu the clients have that processor to themselves and the servers the others.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import grpc
import numpy as np

from benchmarks.generation.prompts import prompt
from benchmarks.generation.servers import Servers, started
from benchmarks.generation.throughput import clients
from synthvlm.generation.v1 import generation_pb2, generation_pb2_grpc
from synthvlm.local.health import is_serving

REJECT_SECONDS = 0.1
GROWTH = 1.1


def refused_in_service(log: Path) -> list[float]:
    """Seconds that the service itself took for each refusal."""
    ended = (json.loads(line) for line in log.read_text().splitlines() if '"call ended"' in line)
    return [call["seconds"] for call in ended if call["code"] == "RESOURCE_EXHAUSTED"]


async def flood(servers: Servers, rate: float, seconds: float) -> bool:
    """Calls ``rate`` times a second for ``seconds``, waits for all answers; tells if it passed."""
    ended: Counter[str] = Counter()
    rejected: list[float] = []
    answered: list[float] = []
    memory = [servers.resident_mib()]

    async with grpc.aio.insecure_channel(servers.address) as channel:
        stub = generation_pb2_grpc.GenerationServiceStub(channel)

        async def call(number: int) -> None:
            request = generation_pb2.GenerateImageRequest(prompt=prompt(number), seed=number)
            begin = time.perf_counter()
            try:
                await stub.GenerateImage(request)
                ended["answered"] += 1
                answered.append(time.perf_counter() - begin)
            except grpc.aio.AioRpcError as error:
                ended[error.code().name] += 1
                if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                    rejected.append(time.perf_counter() - begin)

        calls: list[asyncio.Future[None]] = []
        begin = time.monotonic()
        next_look = begin
        while (now := time.monotonic()) - begin < seconds:
            due = int((now - begin) * rate) - len(calls)
            calls += [asyncio.ensure_future(call(len(calls) + more)) for more in range(max(0, due))]
            if now >= next_look:
                memory.append(servers.resident_mib())
                next_look = now + 1
            await asyncio.sleep(1 / rate)
        await asyncio.gather(*calls)
    memory.append(servers.resident_mib())
    healthy = is_serving(servers.address, timeout_seconds=10)
    after = (await clients(servers.address, 1, 1)).seconds
    other = {code: n for code, n in ended.items() if code not in ("answered", "RESOURCE_EXHAUSTED")}
    p50, p99, most = np.percentile(rejected or [0.0], [50, 99, 100]) * 1000
    waited = np.percentile(answered or [0.0], [50, 100])
    lines = {
        "called": f"{len(calls)} times in {seconds:.0f} s",
        "answered": f"{ended['answered']}; median {waited[0]:.1f} s, longest {waited[1]:.1f} s",
        "told to retry later": f"{len(rejected)}; median {p50:.1f} ms, 99% within {p99:.1f} ms, "
        f"longest {most:.1f} ms",
        "in the service": "median {:.1f} ms, 99% within {:.1f} ms, longest {:.1f} ms".format(
            *np.percentile(refused_in_service(servers.log) or [0.0], [50, 99, 100]) * 1000
        ),
        "ended otherwise": f"{dict(other) or 'none'}",
        "memory": f"{memory[0]:.0f} MiB before, {max(memory):.0f} MiB at most, "
        f"{memory[-1]:.0f} MiB after",
        "after it": f"{'healthy' if healthy else 'NOT HEALTHY'}, an image in {after:.1f} s",
    }
    for name, text in lines.items():
        print(f"{name:<20}{text}")
    return (
        not other
        and bool(rejected)
        and most <= REJECT_SECONDS * 1000
        and max(memory) <= GROWTH * memory[0]
        and healthy
    )


def main() -> None:
    """Measures the capacity, then floods."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--profile", default="mini")
    parser.add_argument("--engine", default="triton")
    parser.add_argument("--executor", default="torch")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--times", type=float, default=10.0, help="of what the service can answer")
    parser.add_argument("--client-cpu", type=int, help="processor of the clients alone")
    arguments = parser.parse_args()
    pinned = arguments.client_cpu is not None
    if pinned:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {arguments.client_cpu})
    with started(arguments.profile, arguments.engine, arguments.executor) as servers:
        if pinned:
            os.sched_setaffinity(0, {arguments.client_cpu})
        asyncio.run(clients(servers.address, 32, 32))
        capacity = asyncio.run(clients(servers.address, 16, 32)).rate
        rate = arguments.times * capacity
        print(f"{'capacity':<20}{capacity:.1f} images/s; called at {rate:.0f} a second")
        good = asyncio.run(flood(servers, rate, arguments.seconds))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
