"""Images a second of the service against diffusers called directly, side by side.

    python benchmarks/generation/throughput.py --images 64 --clients 1 4 16

Direct: the two SDXL pipelines as diffusers' documentation uses them, in a process of their own, in
batches of as many images as there are clients. Service: a real server process with the profile's
settings, and that many clients who each ask for one image after another over gRPC. Both make the
same images with the profile's parameters, and neither runs while the other is measured. Memory is
the peak resident size of the process that holds the models.
"""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.v1 import generation_pb2, generation_pb2_grpc
from synthvlm.models import resolve_model
from synthvlm.serving.sources import load_settings

START_SECONDS = 600
MIB = 2**20


@dataclass(frozen=True)
class Measurement:
    """Images a second, seconds of each call, and peak memory in MiB."""

    rate: float
    latencies: list[float]
    memory: float


def prompt(number: int) -> str:
    """Prompts as long as captions are."""
    shapes = ("circle", "square", "triangle", "star")
    colours = ("red", "green", "blue", "yellow", "purple")
    return (
        f"a large {colours[number % 5]} {shapes[number % 4]} to the left of "
        f"a small {colours[number // 5 % 5]} {shapes[number // 4 % 4]}"
    )


def direct(settings: GenerationSettings, batch: int, images: int) -> Measurement:
    """Runs ``_direct`` in a process of its own, for its memory's sake."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_direct, args=(settings, batch, images, theirs))
    process.start()
    theirs.close()
    try:
        rate, latencies, memory = ours.recv()
    finally:
        process.join()
    return Measurement(rate, latencies, memory)


def _direct(settings: GenerationSettings, batch: int, images: int, answer: Any) -> None:
    import torch
    from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

    torch.set_num_threads(settings.threads)
    options = {"dtype": getattr(torch, settings.dtype), "local_files_only": True}
    base = StableDiffusionXLPipeline.from_pretrained(resolve_model(settings.model), **options)
    refiner = None
    if settings.refiner is not None:
        refiner = StableDiffusionXLImg2ImgPipeline.from_pretrained(
            resolve_model(settings.refiner), **options
        )
    for pipeline in (base, refiner):
        if pipeline is not None:
            pipeline.to(settings.device).set_progress_bar_config(disable=True)

    def make(numbers: Sequence[int]) -> None:
        shared = {
            "prompt": [prompt(number) for number in numbers],
            "num_inference_steps": settings.steps,
            "guidance_scale": settings.guidance_scale,
            "generator": [torch.Generator().manual_seed(number) for number in numbers],
        }
        fraction = settings.high_noise_fraction
        size = {"width": settings.width, "height": settings.height}
        if refiner is None or fraction == 1:
            base(**shared, **size)
            return
        latents = base(**shared, **size, denoising_end=fraction, output_type="latent").images
        refiner(**shared, image=latents, denoising_start=fraction)

    make(range(batch))
    latencies = []
    for first in range(0, images, batch):
        begin = time.perf_counter()
        make(range(first, first + batch))
        latencies.append(time.perf_counter() - begin)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer.send((len(latencies) * batch / sum(latencies), latencies, memory))


@contextmanager
def server(profile: str) -> Any:
    """A server process of its own; yields its address and process."""
    with tempfile.TemporaryDirectory() as folder:
        address_file = Path(folder) / "address.json"
        command = [
            *(sys.executable, "-m", "synthvlm.generation", "--profile", profile),
            *("--listen", "127.0.0.1:0", "--address-file", str(address_file)),
            *("--log-level", "WARNING"),
        ]
        process = subprocess.Popen(command)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not address_file.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the service did not start")
                time.sleep(0.1)
            address = json.loads(address_file.read_text())["address"]
            with grpc.insecure_channel(address) as channel:
                health: Any = health_pb2_grpc.HealthStub(channel)
                request = health_pb2.HealthCheckRequest()
                while health.Check(request).status != health_pb2.HealthCheckResponse.SERVING:
                    time.sleep(0.1)
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


async def clients(address: str, count: int, images: int) -> tuple[float, list[float]]:
    """``count`` clients that share ``images`` calls; images a second, and seconds of each call."""
    numbers = itertools.count()
    latencies = []

    async with grpc.aio.insecure_channel(address) as channel:
        stub = generation_pb2_grpc.GenerationServiceStub(channel)

        async def client() -> None:
            while (number := next(numbers)) < images:
                begin = time.perf_counter()
                await stub.GenerateImage(
                    generation_pb2.GenerateImageRequest(prompt=prompt(number), seed=number)
                )
                latencies.append(time.perf_counter() - begin)

        begin = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(count)))
        return images / (time.perf_counter() - begin), latencies


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--profile", default="mini")
    parser.add_argument("--images", type=int, default=64, help="images a row")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    arguments = parser.parse_args()
    settings = load_settings(
        GenerationSettings, "generation", command_line={"profile": arguments.profile}
    )
    sampling = settings.sampling
    print(
        f"{sampling.width}x{sampling.height}, {sampling.steps} steps, guidance "
        f"{sampling.guidance_scale}, {settings.device} {settings.dtype}, {settings.threads} "
        f"threads, batches of {settings.batch_size} in multiples of {settings.batch_multiple}\n"
    )
    columns = ("clients", "direct", "service", "ratio", "p50", "p95", "direct", "service")
    units = ("", "img/s", "img/s", "", "s", "s", "MiB", "MiB")
    for row in (columns, units):
        print("".join(f"{cell:>9}" for cell in row))
    for count in arguments.clients:
        images = -(-max(arguments.images, count) // count) * count
        alone = direct(settings, count, images)
        with server(arguments.profile) as (address, process):
            rate, latencies = asyncio.run(clients(address, count, images))
            memory = _peak_mib(process)
        p50, p95 = np.percentile(latencies, [50, 95])
        print(
            f"{count:>9}{alone.rate:>9.2f}{rate:>9.2f}{rate / alone.rate:>9.2f}"
            f"{p50:>9.2f}{p95:>9.2f}{alone.memory:>9.0f}{memory:>9.0f}",
            flush=True,
        )


def _peak_mib(process: psutil.Process) -> float:
    """Peak resident size of a process on Linux."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float(process.memory_info().rss / MIB)


if __name__ == "__main__":
    main()
