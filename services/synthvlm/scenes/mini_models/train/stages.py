"""How the mini models are trained: every stage in order, with its command line and its purpose.

Read it from top to bottom. A stage is a module of this package; ``--help`` lists its arguments, and
whatever is not given here is a default of the module. The minutes are those of a run on two cores
of an Intel Xeon that computes in bfloat16, about three and a half hours in all. Every stage keeps a
checkpoint and resumes from it; one that has reached its last step trains no further.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Two workers of one thread each get more out of two cores than one worker of two threads.
ENVIRONMENT: Final = {"OMP_NUM_THREADS": "1"}
WORKERS: Final = 2


@dataclass(frozen=True)
class Stage:
    """One training: a module of this package and its options, by name without dashes.

    An option's path is relative to the folder that holds the files of all stages.
    """

    module: str
    purpose: str
    minutes: int
    options: Mapping[str, Path | str]

    def command(self, root: Path) -> list[str]:
        """The command line that runs the stage with all its files below ``root``."""
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(WORKERS)]
        options: list[str] = []
        for name, value in self.options.items():
            options += [f"--{name}", str(root / value) if isinstance(value, Path) else value]
        return [sys.executable, *launch, "-m", f"{__package__}.{self.module}", *options]


def environment() -> dict[str, str]:
    """The environment of a stage's process."""
    return {**os.environ, **ENVIRONMENT}


STAGES: Final = (
    # ---- mini-sdxl, the base -------------------------------------------------------------------
    # Diffusion happens in the latents of an autoencoder, so that comes first: 64 x 64 pixels become
    # 4 x 16 x 16 numbers, and the scale of the latents is measured once they are final.
    Stage(
        "vae",
        "the autoencoder: images to latents and back",
        7,
        {"out": Path("vae")},
    ),
    # The latents stay as they are from here on. The decoder alone learns more: it sees light things
    # on grey, which an unweighted loss hardly notices, more often than the rest.
    Stage(
        "decoder",
        "the autoencoder's decoder further, with more weight on what it draws badly",
        14,
        {"vae": Path("vae/vae"), "out": Path("decoder")},
    ),
    # SDXL takes its two text encoders ready-made from CLIP. Here they learn the language of the
    # scene world by saying what captions claim, and are frozen afterwards.
    Stage(
        "text_encoders",
        "both text encoders: what a caption claims",
        7,
        {"out": Path("text")},
    ),
    # The longest stage: the UNet learns to denoise drawn scenes given their captions. What it draws
    # needs guidance and many steps, and it serves as the teacher of the next stage.
    Stage(
        "diffusion",
        "the UNet: denoising drawn scenes given their captions",
        70,
        {
            "vae": Path("decoder/vae"),
            "text": Path("text"),
            "out": Path("base"),
            "export": Path("teacher"),
        },
    ),
    # Three rounds of training on own states. The UNet of the round before is the teacher: it draws
    # from many noises, each drawing is corrected, and the UNet learns to go from every state on the
    # teacher's way to the corrected drawing. After that few steps and little guidance suffice.
    # The first teacher needs guidance (2.5); the later ones have it built in.
    Stage(
        "reflow",
        "the UNet on its own states, first round",
        24,
        {
            "teacher": Path("teacher/mini-sdxl"),
            "guidance": "2.5",
            "seed": "6",
            "out": Path("reflow"),
            "export": Path("reflow"),
        },
    ),
    Stage(
        "reflow",
        "the same, second round",
        24,
        {
            "teacher": Path("reflow/mini-sdxl"),
            "seed": "8",
            "out": Path("reflow-2"),
            "export": Path("reflow-2"),
        },
    ),
    # The last round is shorter and gentler. It writes the mini-sdxl of the final weights.
    Stage(
        "reflow",
        "the same, third and last round: mini-sdxl is done",
        16,
        {
            "teacher": Path("reflow-2/mini-sdxl"),
            "seed": "10",
            "parts": "6",
            "steps": "1400",
            "lr": "3e-4",
            "out": Path("reflow-3"),
            "export": Path("weights"),
        },
    ),
    # ---- mini-sdxl-refiner ---------------------------------------------------------------------
    # Starts from the base's UNet and learns the last fifth of the denoising only.
    Stage(
        "refiner",
        "the refiner: mini-sdxl-refiner is done",
        5,
        {"base": Path("weights/mini-sdxl"), "out": Path("refiner"), "export": Path("weights")},
    ),
    # ---- mini-clip -----------------------------------------------------------------------------
    # Its text tower starts from mini-sdxl's second text encoder. It learns on drawn scenes first...
    Stage(
        "clip",
        "mini-clip on drawn scenes and their near misses",
        14,
        {"text": Path("text"), "out": Path("clip"), "export": Path("drawn")},
    ),
    # ...and then on images that base and refiner generate, where the oracle says what is true:
    # finding generated images that are false is what a CLIPScore is for.
    Stage(
        "judging",
        "mini-clip on generated images: mini-clip is done",
        12,
        {
            "weights": Path("weights"),
            "clip": Path("drawn/mini-clip"),
            "out": Path("judging"),
            "export": Path("weights"),
        },
    ),
    # ---- mini-llm ------------------------------------------------------------------------------
    # Depends on nothing above: captions, judgements and questions are made by code.
    Stage(
        "llm",
        "the language model: mini-llm is done",
        12,
        {"out": Path("llm"), "export": Path("weights")},
    ),
)
