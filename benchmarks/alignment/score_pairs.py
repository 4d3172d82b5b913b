"""Pairs per second and memory of the scorer, against the same scores by open_clip and torch alone.

    python benchmarks/alignment/score_pairs.py --pairs 512 --side 64 --vlm-size 32
    python benchmarks/alignment/score_pairs.py --pairs 32 --side 1024 --vlm-size 336 \
        --batch-size 16 --model random:ViT-B-32

All sides use the same CLIP model in batches of the same size and the same number of threads, and
take turns, each in a process of its own. The peer is a program that uses the libraries directly:
open_clip by its README, and SSIM by grouped convolutions over the batch, as torchmetrics and
pytorch-msssim compute it; it decodes the same JPEG files. The third side is open_clip's inference
and nothing else, of images and captions that are tensors already. Prints the best and the median
round of each, peak resident memory, and the largest difference between the scores.
"""

import argparse
import io
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

THREADS = 2
MULTIPLE = 4


@dataclass(frozen=True)
class Work:
    """What both sides score.

    Attributes:
        images: JPEG files.
        captions: One per image.
        vlm_size: What SSIMScore downsamples to, in pixels.
        batch_size: Pairs in one batch.
        model: A folder in open_clip's form, or ``bundled:NAME``.
    """

    images: list[bytes]
    captions: list[str]
    vlm_size: int
    batch_size: int
    model: str


@dataclass(frozen=True)
class Outcome:
    """The result of one round of one side: seconds, peak resident MiB before and after, scores."""

    seconds: float
    loaded_mib: float
    peak_mib: float
    clip: list[float]
    ssim: list[float]


def make_work(arguments: argparse.Namespace) -> Work:
    """Smooth random pictures of one size; each caption has four, as after a run with repeats."""
    rng = np.random.default_rng(0)
    images = []
    for _ in range(arguments.pairs):
        coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
        smooth = coarse.resize((arguments.side, arguments.side), Image.Resampling.BICUBIC)
        noise = rng.normal(0, 8, (arguments.side, arguments.side, 3))
        pixels = np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=95, subsampling=0)
        images.append(buffer.getvalue())
    colours = ["red", "green", "blue", "black", "orange", "purple"]
    captions = [f"{1 + n // 4} {colours[n // 4 % 6]} circles" for n in range(arguments.pairs)]
    return Work(images, captions, arguments.vlm_size, arguments.batch_size, arguments.model)


def ours(work: Work) -> Callable[[], tuple[list[float], list[float]]]:
    """The scorer, as the service uses it."""
    from synthvlm.alignment.config import AlignmentSettings
    from synthvlm.alignment.requests import complete
    from synthvlm.alignment.scorer import Pair, PairScore, Scorer
    from synthvlm.alignment.service import load_engine
    from synthvlm.alignment.warm_up import warm_up
    from synthvlm.progress import SILENT

    settings = AlignmentSettings(
        model=work.model,
        vlm_size=work.vlm_size,
        batch_size=work.batch_size,
        batch_multiple=MULTIPLE,
        threads=THREADS,
    )
    engine = load_engine(settings)
    warm_up(engine, work.batch_size)
    scorer = Scorer(engine, settings.batch_size, settings.threads)
    pairs = [Pair(*pair) for pair in zip(work.images, work.captions, strict=True)]

    def run() -> tuple[list[float], list[float]]:
        made = scorer.score(pairs, complete(None, settings), SILENT)
        scores = [score for score in made if isinstance(score, PairScore)]
        return [one.clip_score for one in scores], [one.ssim_score for one in scores]

    return run


def inference(work: Work) -> Callable[[], tuple[list[float], list[float]]]:
    """open_clip alone: what the model takes for tensors that are ready, each text embedded once."""
    import torch

    model, preprocess, tokenizer = by_readme(work.model)
    decoded = (Image.open(io.BytesIO(data)).convert("RGB") for data in work.images)
    images = torch.stack([preprocess(image) for image in decoded])
    batches = []
    for start in range(0, len(work.images), work.batch_size):
        part = slice(start, start + work.batch_size)
        texts = list(dict.fromkeys(work.captions[part]))
        places = [texts.index(caption) for caption in work.captions[part]]
        batches.append((images[part], tokenizer([f"A photo depicts {t}" for t in texts]), places))

    def run() -> tuple[list[float], list[float]]:
        clip: list[float] = []
        with torch.inference_mode():
            for pixels, tokens, places in batches:
                seen = model.encode_image(pixels, normalize=True)
                read = model.encode_text(tokens, normalize=True)[places]
                clip += (seen * read).sum(1).clip(0).tolist()
        return clip, []

    run()
    return run


def by_readme(model: str) -> tuple[Any, Any, Any]:
    """open_clip's model, image transform and tokenizer."""
    import open_clip
    import torch

    from synthvlm.model_folders import resolve_model

    torch.set_num_threads(THREADS)
    name = f"local-dir:{resolve_model(model)}"
    loaded, preprocess = open_clip.create_model_from_pretrained(name)
    return loaded.eval(), preprocess, open_clip.get_tokenizer(name)


def peer(work: Work) -> Callable[[], tuple[list[float], list[float]]]:
    """The libraries used directly."""
    import torch
    from torch.nn import functional

    model, preprocess, tokenizer = by_readme(work.model)
    weights = torch.exp(-(torch.arange(-5, 6, dtype=torch.float32) ** 2) / (2 * 1.5**2))
    weights /= weights.sum()

    def smooth(planes: Any) -> Any:
        channels = planes.shape[1]
        down = weights.view(1, 1, 11, 1).expand(channels, 1, 11, 1)
        across = weights.view(1, 1, 1, 11).expand(channels, 1, 1, 11)
        once = functional.conv2d(planes, down, groups=channels)
        return functional.conv2d(once, across, groups=channels)

    def ssim(x: Any, y: Any) -> Any:
        c1, c2 = 0.01**2, 0.03**2
        mx, my = smooth(x), smooth(y)
        vx, vy = smooth(x * x) - mx * mx, smooth(y * y) - my * my
        covariance = smooth(x * y) - mx * my
        shown = ((2 * mx * my + c1) * (2 * covariance + c2)) / (
            (mx * mx + my * my + c1) * (vx + vy + c2)
        )
        return shown.flatten(1).mean(1)

    def tensor(image: Image.Image) -> Any:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255

    def batch(images: Sequence[bytes], captions: Sequence[str]) -> tuple[list[float], list[float]]:
        size = (work.vlm_size, work.vlm_size)
        bicubic = Image.Resampling.BICUBIC
        decoded = [Image.open(io.BytesIO(data)).convert("RGB") for data in images]
        again = [one.resize(size, bicubic).resize(one.size, bicubic) for one in decoded]
        compared = ssim(
            torch.stack([tensor(one) for one in decoded]),
            torch.stack([tensor(one) for one in again]),
        )
        seen = model.encode_image(torch.stack([preprocess(one) for one in decoded]), normalize=True)
        texts = tokenizer([f"A photo depicts {caption}" for caption in captions])
        read = model.encode_text(texts, normalize=True)
        return (seen * read).sum(1).clip(0).tolist(), compared.tolist()

    def run() -> tuple[list[float], list[float]]:
        clip: list[float] = []
        compared: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(work.images), work.batch_size):
                part = slice(start, start + work.batch_size)
                made = batch(work.images[part], work.captions[part])
                clip += made[0]
                compared += made[1]
        return clip, compared

    run()  # loads what is loaded lazily, like the service's warm-up
    return run


SIDES: dict[str, Callable[[Work], Callable[[], tuple[list[float], list[float]]]]] = {
    "synthvlm": ours,
    "open_clip + torch": peer,
    "open_clip alone": inference,
}


def measure(side: str, work: Work) -> Outcome:
    """One round of one side, in this process."""
    run = SIDES[side](work)
    loaded = peak_mib()
    start = time.perf_counter()
    clip, ssim = run()
    seconds = time.perf_counter() - start
    return Outcome(seconds, loaded, peak_mib(), clip, ssim)


def peak_mib() -> float:
    """Peak resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def random_model(name: str, folder: Path) -> str:
    """A folder with a published architecture and random weights: speed does not depend on them."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model(name)
    config = {
        "model_cfg": open_clip.get_model_config(name),
        "preprocess_cfg": open_clip.get_model_preprocess_cfg(model),
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return str(folder)


def main() -> None:
    """Measures the sides in turn and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--side", type=int, default=64, help="pixels of a square image")
    parser.add_argument("--vlm-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--model", default="bundled:mini-clip", help="a folder, bundled:NAME or random:NAME"
    )
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.model.startswith("random:"):
            arguments.model = random_model(arguments.model.removeprefix("random:"), Path(folder))
        print_table(arguments)


def print_table(arguments: argparse.Namespace) -> None:
    """Measures the sides in turn."""
    work = make_work(arguments)
    rounds: dict[str, list[Outcome]] = {side: [] for side in arguments.sides}
    # Spawned: a fork would count the parent's memory, and share what torch has started.
    context = multiprocessing.get_context("spawn")
    for _ in range(arguments.rounds):
        for side, outcomes in rounds.items():
            with context.Pool(1) as pool:
                outcomes.append(pool.apply(measure, (side, work)))
    print(f"{arguments.pairs} pairs of {arguments.side} px, {arguments.rounds} rounds, pairs/s:")
    print(f"{'':20}{'best':>10}{'median':>10}{'loaded MiB':>12}{'peak MiB':>10}")
    for side, outcomes in rounds.items():
        best = min(outcomes, key=lambda outcome: outcome.seconds)
        median = statistics.median(outcome.seconds for outcome in outcomes)
        rates = f"{arguments.pairs / best.seconds:10.1f}{arguments.pairs / median:10.1f}"
        print(f"{side:20}{rates}{best.loaded_mib:12.0f}{best.peak_mib:10.0f}")
    ours, *others = rounds.items()
    for side, outcomes in others:
        for name in ("clip", "ssim"):
            one, other = (np.array(getattr(made[0], name)) for made in (ours[1], outcomes))
            if len(other):
                difference = np.abs(one - other).max()
                print(f"largest difference of {name} from {side}: {difference:.1e}")


if __name__ == "__main__":
    main()
