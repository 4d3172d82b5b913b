"""The same images by two executors, side by side, and how far they differ.

    python -m benchmarks.generation.executors --images 8 --out docs/images/executors.png

Writes a picture with a row for each executor and one for their difference, and prints the mean and
the largest difference of a pixel's channel. Both executors get the same requests in one batch.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from benchmarks.generation.prompts import prompt
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.engine import ImageRequest
from synthvlm.generation.loading import load_pipelines
from synthvlm.progress import SILENT
from synthvlm.serving.settings_sources import load_settings

EXECUTORS = ("torch", "onnxruntime")
GAP = 4
LABEL = 16
SCALE = 2
AMPLIFIED = 64


def images(settings: GenerationSettings, executor: str, count: int) -> npt.NDArray[np.uint8]:
    """uint8 of shape (count, height, width, 3)."""
    pipeline = settings.pipeline.model_copy(update={"executor": executor})
    pipelines = load_pipelines(settings.model_copy(update={"pipeline": pipeline}))
    batch = [ImageRequest(prompt(n), n, settings.sampling) for n in range(count)]
    return np.stack([sample.pixels for sample in pipelines.generate(batch, SILENT)])


def draw(rows: dict[str, npt.NDArray[np.uint8]]) -> Image.Image:
    """Rows of images, each below its label."""
    count, height, width, _ = next(iter(rows.values())).shape
    high, wide = height * SCALE, width * SCALE
    size = (count * (wide + GAP) + GAP, len(rows) * (high + LABEL + GAP) + GAP)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for row, (label, pictures) in enumerate(rows.items()):
        top = GAP + row * (high + LABEL + GAP)
        pen.text((GAP, top), label, fill="black")
        for column, pixels in enumerate(pictures):
            picture = Image.fromarray(pixels).resize((wide, high), Image.Resampling.NEAREST)
            sheet.paste(picture, (GAP + column * (wide + GAP), top + LABEL))
    return sheet


def main() -> None:
    """Makes the images, measures and draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--profile", default="mini")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("build/executors.png"))
    arguments = parser.parse_args()
    settings = load_settings(
        GenerationSettings, "generation", command_line={"profile": arguments.profile}
    )
    rows = {name: images(settings, name, arguments.images) for name in EXECUTORS}
    one, other = (pixels.astype(int) for pixels in rows.values())
    difference = np.abs(one - other)
    print(f"{arguments.images} images, {settings.sampling.steps} steps, {' against '.join(rows)}")
    print(f"mean difference     {difference.mean():.5f} of 255")
    print(f"largest difference  {difference.max()} of 255")
    amplified = np.minimum(255, difference * AMPLIFIED).astype(np.uint8)
    rows[f"difference, {AMPLIFIED} times amplified"] = amplified
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    draw(rows).save(arguments.out, optimize=True)
    print(f"side by side        {arguments.out}")


if __name__ == "__main__":
    main()
