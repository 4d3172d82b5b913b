"""Images per second of SDXL on one GPU: diffusers directly, the engine, and each of its settings.

    python -m benchmarks.generation.gpu --out build/gpu.md
    python -m benchmarks.generation.gpu --configuration tiny --batches 1 2 --steps 2 2

The second line tries it on the CPU.

The published configuration with random weights, so that nothing is downloaded; 1024x1024; two
schedules: MLPerf's (20 steps of the base, guidance 8) and the paper's (60 steps of base and
refiner, guidance 20). Every row is measured with networks of its own, first of all with a short
batch that compiles and warms up. What does not fit into ``--minutes`` is left out, and said so.

``direct`` calls diffusers' pipelines with the networks of the row, in one batch; ``engine`` gives
the same prompts to the engine. ``of mlperf`` is the engine's rate over the published one.
``step`` is one call of the base's denoising network, ``decode`` the decoder's time per image. The
differences are those of a channel of a pixel, 0 to 255, from the first row of the same schedule and
batch; of random weights they say whether a setting computes something else, and not how it looks.
"""

import argparse
import gc
import math
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import numpy.typing as npt
import torch
import transformers

from benchmarks.generation.gpu_cases import Case, Schedule, cases
from benchmarks.generation.prompts import prompt
from benchmarks.generation.sdxl import CONFIGURATIONS, Pair
from synthvlm.cli.commands.capacity.estimates import GPUS, MLPERF, Gpu
from synthvlm.errors import PreconditionFailed
from synthvlm.generation.cpu import prepare_cpu
from synthvlm.generation.diffusion.pipelines import Pipelines
from synthvlm.generation.engine import ImageRequest, Sampling
from synthvlm.generation.engines.diffusers import DiffusersEngine
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.generation.torch.acceleration import accelerate
from synthvlm.generation.torch.requirements import device_of, require
from synthvlm.progress import SILENT

_GIB = 2**30


@dataclass
class Row:
    """What was measured: seconds, images per second, GiB."""

    schedule: str
    settings: str
    batch: int
    engine: float
    direct: float | None
    of_mlperf: float | None
    step_ms: float
    decode_ms: float
    peak_gib: float
    first_batch_s: float
    mean_difference: float | None
    largest_difference: int | None


class Bench:
    """Measures cases on one device.

    Args:
        configuration: One of ``CONFIGURATIONS``.
        device: torch device.
        dtype: Precision unless a case says otherwise.
    """

    def __init__(self, configuration: str, device: str, dtype: str) -> None:
        self._make, self._side = CONFIGURATIONS[configuration]
        self._device = device
        self._dtype = dtype
        self._published = published(device_of(device).name)
        self._images: dict[tuple[str, int], npt.NDArray[np.uint8]] = {}
        self._seconds: dict[str, float] = {}

    def estimate(self, case: Case) -> float:
        """Seconds that a case may take: made, warmed up, timed once or twice, and compiled."""
        an_image = self._seconds.get(case.schedule.name, 0.0)
        return case.compilation + 5 + case.batch * an_image * (2.2 if case.direct else 1.2)

    def measure(self, case: Case) -> Row:
        """Measures a case.

        Raises:
            PreconditionFailed: The device cannot do what it asks for.
        """
        settings = PipelineSettings(
            model="bundled:mini-sdxl",
            device=self._device,
            batch_multiple=case.batch,
            **{"dtype": self._dtype, **case.settings},
        )
        dtype = getattr(torch, settings.dtype)
        require(settings.torch, device_of(self._device), dtype)
        self._free()
        pair = self._make(self._device, dtype, case.schedule.fraction < 1)
        accelerate(pair.values(), settings.torch)
        pipelines = Pipelines(pair["base"], pair.get("refiner"), settings)
        with closing(DiffusersEngine(pipelines, case.batch, 0.0)) as engine, torch.no_grad():
            first, _ = self._timed(lambda: engine.batch(self._requests(case, short=True), SILENT))
            self._reset_peak()
            seconds, samples = self._timed(lambda: engine.batch(self._requests(case), SILENT))
            peak = self._peak()
            direct = self._direct(pair, case) if case.direct else None
            step, decode = self._parts(pair["base"], case.batch)
        images = np.stack([sample.pixels for sample in samples])
        rate = case.batch / seconds
        self._seconds.setdefault(case.schedule.name, seconds / case.batch)
        reference = self._images.setdefault((case.schedule.name, case.batch), images)
        difference = np.abs(images.astype(np.int16) - reference)
        published = self._published
        comparable = published is not None and published.steps == case.schedule.steps
        return Row(
            schedule=case.schedule.name,
            settings=case.name,
            batch=case.batch,
            engine=rate,
            direct=direct,
            of_mlperf=rate / published.rate if published is not None and comparable else None,
            step_ms=step * 1000,
            decode_ms=decode * 1000,
            peak_gib=peak,
            first_batch_s=first,
            mean_difference=None if reference is images else float(difference.mean()),
            largest_difference=None if reference is images else int(difference.max()),
        )

    def _requests(self, case: Case, short: bool = False) -> list[ImageRequest]:
        schedule = case.schedule
        fraction = schedule.fraction
        # Few steps that reach every network, with and without guidance.
        steps = 4 if short else schedule.steps
        if short and fraction < 1:
            fraction = 0.5
        sampling = Sampling(steps, schedule.guidance, fraction, self._side, self._side)
        return [ImageRequest(prompt(n), n, sampling) for n in range(case.batch)]

    def _direct(self, pair: Pair, case: Case) -> float:
        """Images per second of diffusers' pipelines, called as its documentation says."""
        requests = self._requests(case)
        sampling = requests[0].sampling
        common = {
            "prompt": [request.prompt for request in requests],
            "num_inference_steps": sampling.steps,
            "guidance_scale": sampling.guidance_scale,
            "generator": [torch.Generator().manual_seed(one.seed) for one in requests],
        }
        size = {"width": self._side, "height": self._side, "output_type": "pt"}
        refiner, fraction = pair.get("refiner"), sampling.high_noise_fraction

        def make() -> Any:
            if refiner is None:
                return pair["base"](**common, **size).images.cpu()
            latents = pair["base"](
                **common, **{**size, "output_type": "latent"}, denoising_end=fraction
            ).images
            images = refiner(**common, image=latents, denoising_start=fraction, output_type="pt")
            return images.images.cpu()

        return case.batch / self._timed(make)[0]

    def _parts(self, base: Any, batch: int) -> tuple[float, float]:
        """Seconds of a guided step of the base, and of decoding an image."""
        side = self._side // base.vae_scale_factor
        unet, pooled = base.unet, base.text_encoder_2.config.projection_dim
        like = {"device": self._device, "dtype": unet.dtype}
        rows = 2 * batch
        latents = torch.randn(rows, unet.config.in_channels, side, side, **like)
        text = torch.randn(rows, 77, unet.config.cross_attention_dim, **like)
        added = {
            "text_embeds": torch.randn(rows, pooled, **like),
            "time_ids": torch.full((rows, 6), float(self._side), **like),
        }
        base.scheduler.set_timesteps(4, device=self._device)

        def step() -> Any:
            return unet(
                latents,
                base.scheduler.timesteps[0],
                encoder_hidden_states=text,
                timestep_cond=None,
                cross_attention_kwargs=None,
                added_cond_kwargs=added,
                return_dict=False,
            )

        vae = base.vae
        if vae.dtype == torch.float16 and vae.config.force_upcast:
            vae.to(torch.float32)  # as the pipeline does

        def decode() -> Any:
            return vae.decode(latents[:batch].to(vae.dtype), return_dict=False)

        return self._timed(step, 3)[0], self._timed(decode, 2)[0] / batch

    def _timed(self, make: Callable[[], Any], times: int = 1) -> tuple[float, Any]:
        """Seconds of a call, and its result; several calls follow one that is not timed."""
        if times > 1:
            make()
        self._wait()
        begin = time.perf_counter()
        for _ in range(times):
            result = make()
        self._wait()
        return (time.perf_counter() - begin) / times, result

    def _wait(self) -> None:
        if self._device != "cpu":
            torch.cuda.synchronize(self._device)

    def _free(self) -> None:
        gc.collect()
        torch._dynamo.reset()
        if self._device != "cpu":
            torch.cuda.empty_cache()

    def _reset_peak(self) -> None:
        if self._device != "cpu":
            torch.cuda.reset_peak_memory_stats(self._device)

    def _peak(self) -> float:
        if self._device == "cpu":
            return float("nan")
        return torch.cuda.max_memory_allocated(self._device) / _GIB


def published(device: str) -> Gpu | None:
    """The product of MLPerf's results that a device is; None: there is none for it."""
    words = device.replace("-", " ").split()
    return next((gpu for gpu in GPUS.values() if gpu.source == MLPERF and gpu.name in words), None)


def heading() -> list[str]:
    """The first two lines of the table."""
    names = [one.name.replace("_", " ") for one in fields(Row)]
    return [_line(names), _line(["---"] * len(names))]


def line(row: Row) -> str:
    """A line of the table."""
    return _line([_text(value) for value in astuple(row)])


def _text(value: object) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.3g}"
    return "-" if value is None else str(value)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures what there is time for, and prints the table."""
    begin = time.monotonic()
    on_gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--configuration", choices=CONFIGURATIONS, default="sdxl")
    parser.add_argument("--device", default="cuda" if on_gpu else "cpu")
    parser.add_argument("--dtype", default="float16" if on_gpu else "float32")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 16])
    parser.add_argument("--steps", type=int, nargs=2, default=[20, 60], metavar=("BASE", "REFINED"))
    parser.add_argument("--only", default="", help="rows whose settings contain this")
    parser.add_argument("--minutes", type=float, default=7.5, help="time for everything")
    parser.add_argument("--out", type=Path, help="file for the table")
    options = parser.parse_args(arguments)
    prepare_cpu()
    # Of functions that PyTorch's compiler traces through.
    warnings.filterwarnings("ignore", module="torch._dynamo")
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    base, refined = options.steps
    schedules = [Schedule("base", base, 8.0, 1.0), Schedule("with refiner", refined, 20.0, 0.8)]
    bench = Bench(options.configuration, options.device, options.dtype)
    gpu = published(device_of(options.device).name)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        print(text, flush=True)

    say(
        f"{device_of(options.device).name}, PyTorch {torch.__version__}, {options.configuration}, "
        f"{options.dtype}; {base} steps of the base, and {refined} with the refiner. "
        + (f"MLPerf: {gpu.rate} images/s ({gpu.source})." if gpu else "MLPerf has no such GPU.")
    )
    say("")
    for text in heading():
        say(text)
    left_out = []
    for case in cases(options.batches, schedules):
        if options.only not in case.name:
            continue
        name = f"{case.name}, {case.schedule.name}, {case.batch} images"
        left = 60 * options.minutes - (time.monotonic() - begin)
        if (needed := bench.estimate(case)) > left:
            left_out.append(f"{name}: needs about {needed:.0f} s, and {left:.0f} s are left")
            continue
        try:
            say(line(bench.measure(case)))
        except (PreconditionFailed, torch.OutOfMemoryError) as error:
            left_out.append(f"{name}: {error}")
    if left_out:
        say("\nLeft out:\n")
    for text in left_out:
        say(f"- {text}")
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("\n".join(said) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
