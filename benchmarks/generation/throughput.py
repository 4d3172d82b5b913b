"""Images per second of the service against the pipelines called directly, side by side.

    python -m benchmarks.generation.throughput --clients 1 4 16

Direct: the two SDXL pipelines as diffusers' documentation uses them, in a process of their own, in
batches of as many images as there are clients; with the executor ``onnxruntime``, the same
pipelines with their components exported. Service: a real server process with the profile's
settings, with the engine in process or with a Triton server beside it, and as many clients that
each request one image after another over gRPC. Both make images of the same prompts with the
profile's parameters. They take turns, so that a machine whose speed varies favours neither, and
each is idle during the other's turn. Memory is the peak resident size of all processes that serve.

Both sides sum in one order and wait alike, as the service does: its OpenMP threads do not spin.

Rates are those of a busy engine: each side first makes as many uncounted images as there are
clients, and the service as many again afterwards, so that all clients are active while it is
measured. The start, when clients do not share batches yet, and the wait of the last ones are left
out.
"""

import argparse
import asyncio
import itertools
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import grpc
import numpy as np

from benchmarks.generation.prompts import prompt
from benchmarks.generation.servers import Servers, started
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.cpu import prepare_cpu
from synthvlm.generation.v1 import generation_pb2, generation_pb2_grpc
from synthvlm.serving.settings_sources import load_settings


@dataclass
class Measurement:
    """Images of one side, seconds for all and for each call, and peak memory in MiB."""

    images: int = 0
    seconds: float = 0
    latencies: list[float] = field(default_factory=list)
    memory: float = 0

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds


@contextmanager
def directly(settings: GenerationSettings, batch: int) -> Iterator[Callable[[int], Measurement]]:
    """The pipelines in a process of their own, so that their memory can be measured.

    Yields:
        A function that makes a number of images there, in batches of ``batch``.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_direct, args=(settings, batch, theirs))
    process.start()
    theirs.close()

    def make(images: int) -> Measurement:
        ours.send(images)
        answer: Measurement = ours.recv()
        return answer

    try:
        make(batch)
        yield make
    finally:
        ours.close()
        process.join()


def _direct(settings: GenerationSettings, batch: int, orders: Connection) -> None:
    prepare_cpu()
    make = _pipelines(settings) if settings.pipeline.executor == "torch" else _exported(settings)
    while True:
        try:
            images = orders.recv()
        except EOFError:
            return
        latencies = []
        for first in range(0, images, batch):
            begin = time.perf_counter()
            make(range(first, first + batch))
            latencies.append(time.perf_counter() - begin)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        orders.send(Measurement(images, sum(latencies), latencies, memory))


def _exported(settings: GenerationSettings) -> Callable[[Sequence[int]], None]:
    """Makes a batch with the components exported, by the pipelines in this process."""
    from synthvlm.generation.engine import ImageRequest
    from synthvlm.generation.loading import load_pipelines
    from synthvlm.progress import SILENT

    pipelines = load_pipelines(settings)

    def make(numbers: Sequence[int]) -> None:
        pipelines.generate([ImageRequest(prompt(n), n, settings.sampling) for n in numbers], SILENT)

    return make


def _pipelines(settings: GenerationSettings) -> Callable[[Sequence[int]], None]:
    """Makes a batch with diffusers alone."""
    import diffusers
    import torch
    import transformers
    from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
    torch.set_num_threads(settings.pipeline.threads)
    options = {"dtype": getattr(torch, settings.pipeline.dtype), "local_files_only": True}
    folder, *folders = settings.pipeline.folders()
    base = StableDiffusionXLPipeline.from_pretrained(folder, **options)
    refiner = None
    if folders:
        refiner = StableDiffusionXLImg2ImgPipeline.from_pretrained(folders[0], **options)
    for pipeline in (base, refiner):
        if pipeline is not None:
            pipeline.to(settings.pipeline.device).set_progress_bar_config(disable=True)

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

    return make


async def clients(address: str, count: int, images: int) -> Measurement:
    """``count`` clients at work; they make as many uncounted images before and after ``images``."""
    numbers = itertools.count()
    finished: list[tuple[float, float]] = []

    async with grpc.aio.insecure_channel(address) as channel:
        stub = generation_pb2_grpc.GenerationServiceStub(channel)

        async def client() -> None:
            while (number := next(numbers)) < images + 2 * count:
                begin = time.perf_counter()
                await stub.GenerateImage(
                    generation_pb2.GenerateImageRequest(prompt=prompt(number), seed=number)
                )
                end = time.perf_counter()
                finished.append((end, end - begin))

        await asyncio.gather(*(client() for _ in range(count)))
    counted = finished[count : count + images]
    seconds = counted[-1][0] - finished[count - 1][0]
    return Measurement(images, seconds, [latency for _, latency in counted])


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--profile", default="mini")
    parser.add_argument("--turns", type=int, default=12, help="turns of each side")
    parser.add_argument("--batches", type=int, default=2, help="batches per turn")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--engines", nargs="+", default=["diffusers", "triton"])
    parser.add_argument("--executors", nargs="+", default=["torch", "onnxruntime"])
    arguments = parser.parse_args()
    settings = load_settings(
        GenerationSettings, "generation", command_line={"profile": arguments.profile}
    )
    sampling, pipeline = settings.sampling, settings.pipeline
    print(
        f"{sampling.width}x{sampling.height}, {sampling.steps} steps, guidance "
        f"{sampling.guidance_scale}, {pipeline.device} {pipeline.dtype}, {pipeline.threads} "
        f"threads, batches of {settings.batch_size} in multiples of {pipeline.batch_multiple}\n"
    )
    names = ("executor", "engine", "clients", "direct", "service", "ratio", "p50", "p95")
    units = ("", "", "", "img/s", "img/s", "", "s", "s")
    _print(*names, "direct", "service")
    _print(*units, "MiB", "MiB")
    for executor in arguments.executors:
        chosen = settings.model_copy(
            update={"pipeline": pipeline.model_copy(update={"executor": executor})}
        )
        for engine in arguments.engines:
            with started(arguments.profile, engine, executor) as servers:
                for count in arguments.clients:
                    images = count * arguments.batches
                    alone, service = compare(chosen, servers, count, images, arguments.turns)
                    p50, p95 = np.percentile(service.latencies, [50, 95])
                    _print(
                        *(executor, engine, count, f"{alone.rate:.2f}", f"{service.rate:.2f}"),
                        *(f"{service.rate / alone.rate:.2f}", f"{p50:.2f}", f"{p95:.2f}"),
                        *(f"{alone.memory:.0f}", f"{service.memory:.0f}"),
                    )


def compare(
    settings: GenerationSettings, servers: Servers, count: int, images: int, turns: int
) -> tuple[Measurement, Measurement]:
    """The pipelines directly, and the service with ``count`` clients: ``images`` each in turn."""
    alone, service = Measurement(), Measurement()
    with directly(settings, count) as make:
        for _ in range(turns):
            for total, part in (
                (service, asyncio.run(clients(servers.address, count, images))),
                (alone, make(images)),
            ):
                total.images += part.images
                total.seconds += part.seconds
                total.latencies += part.latencies
                total.memory = part.memory
        service.memory = servers.peak_mib()
    return alone, service


def _print(*cells: object) -> None:
    print("".join(f"{cell!s:>12}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
