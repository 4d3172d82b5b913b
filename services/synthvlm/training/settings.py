"""The section ``training`` of a profile: models, hyper-parameters, and how they are computed."""

import importlib.util
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from synthvlm.errors import FieldViolation, InvalidInput

PRETRAIN, FINETUNE = "pretrain", "finetune"
"""The stages: the projector alone, then projector and language model."""

Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A section of the settings."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


class StageSettings(Section):
    """One of the two stages. The defaults are those that both have in LLaVA-1.5."""

    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    """The highest; it rises from zero and falls to zero along a cosine."""
    global_batch: Positive
    """Samples a step, of all processes together."""
    micro_batch: Positive
    """Samples that one process computes at once. Decides memory and speed, not what is learnt."""
    epochs: Annotated[float, Field(gt=0)] | None = 1.0
    """Times that every sample is seen; null: as many as steps needs."""
    steps: Positive | None = None
    """Steps; null: as many as epochs needs."""
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """Share of the steps in which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """AdamW's."""
    template: Literal["plain", "v1", "v1-brief"]
    """How conversations are written: plain is the caption alone."""
    pad_images: bool
    """Images become squares by a border; false: by cutting off what sticks out."""
    packed: bool = False
    """Samples share rows of max_length, unseen by one another, which saves padding."""
    by_length: bool = False
    """Samples of similar length share a batch, which saves padding."""

    @model_validator(mode="after")
    def _has_an_end(self) -> "StageSettings":
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give epochs or steps, and null for the other")
        return self


class TrainingSettings(Section):
    """How a model is trained."""

    vision_tower: str = "bundled:mini-clip"
    """CLIP model whose image encoder is used, frozen: an open_clip or transformers folder, or
    bundled:NAME."""
    language_model: str = "bundled:mini-llm"
    """Folder of a Llama-family model of transformers, or bundled:NAME."""
    mixture: str = "mini"
    """What stage 2 learns from, and how much of each: a YAML file, or the name of a shipped one."""
    pretrain: StageSettings
    """Stage 1: the projector learns to caption the pairs of the dataset version."""
    finetune: StageSettings
    """Stage 2: projector and language model learn the mixture."""
    max_length: Annotated[int, Field(ge=16)] = 2048
    """Tokens of a sample, those of its image included; what is beyond is cut off."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the projector's weights and of the order of the samples."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradients longer than this are shortened to it."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where it is computed."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type that products are computed in. Trained weights and the optimizer stay float32."""
    saved_dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the weights in the trained model's folder."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """Implementation of attention in transformers."""
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that train together where a run starts them, one for each GPU or share of cores."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Threads of a process on the CPU."""
    workers: Annotated[int, Field(ge=0, le=64)] = 0
    """Processes a process that read samples ahead; 0: it reads them itself."""
    sharding: Literal["none", "fsdp2"] = "none"
    """Whether weights, gradients and optimizer are split among the processes."""
    gradient_checkpointing: bool = False
    """Activations are computed twice instead of kept."""
    liger: bool = False
    """Use Liger's fused kernels where there is a GPU and liger-kernel is installed."""
    log_every: Positive = 1
    """Steps between two points of the loss curve."""
    checkpoint_every: Positive = 500
    """Steps between two checkpoints. Each stage also ends with one."""
    checkpoints_kept: Positive = 2
    """Newest checkpoints that stay."""

    max_mismatched: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Largest share of a stage's samples whose loss mask may not fit them. Nothing is learnt from
    such a sample; each is logged with its id and counted."""

    @model_validator(mode="after")
    def _mixture_has_an_end(self) -> "TrainingSettings":
        if self.finetune.steps is None:
            raise ValueError("finetune.steps: a mixture has no end of its own; give steps")
        return self

    def stage(self, name: str) -> StageSettings:
        """The settings of a stage, by its name."""
        return self.pretrain if name == PRETRAIN else self.finetune

    def decisive(self) -> dict[str, Any]:
        """Settings that decide what is learnt, as JSON values, without the models and numerics.

        How the work is divided among processes, and what is written down meanwhile, is not among
        them: it changes a loss in its last digits at most.
        """
        incidental = {
            *("vision_tower", "language_model", "mixture", "device", "dtype", "attention"),
            *("processes", "threads", "workers", "sharding", "gradient_checkpointing", "liger"),
            *("log_every", "checkpoint_every", "checkpoints_kept", "max_mismatched"),
        }
        content = self.model_dump(mode="json", exclude=incidental)
        for name in (PRETRAIN, FINETUNE):
            del content[name]["micro_batch"]
        return content

    def numerics(self) -> dict[str, Any]:
        """How it is computed, as far as that can be seen in the result."""
        names = ("device", "dtype", "attention")
        return {name: getattr(self, name) for name in names}

    def accumulation(self, name: str, processes: int) -> int:
        """Micro-batches that each process adds up for a step of a stage.

        Raises:
            InvalidInput: The global batch cannot be divided so.
        """
        stage = self.stage(name)
        at_once = stage.micro_batch * processes
        if stage.global_batch % at_once:
            problem = (
                f"is {stage.global_batch}, which {processes} processes with {stage.micro_batch} "
                f"samples at once cannot divide evenly; change training.{name}.micro_batch or the "
                f"number of processes"
            )
            field = f"training.{name}.global_batch"
            raise InvalidInput(f"{field} {problem}", [FieldViolation(field, problem)])
        return stage.global_batch // at_once

    def uses_liger(self, *, has_gpu: bool) -> bool:
        """Whether Liger's kernels are used."""
        return self.liger and has_gpu and importlib.util.find_spec("liger_kernel") is not None


def training_settings(section: Mapping[str, Any]) -> TrainingSettings:
    """Reads the section ``training`` of a profile.

    Raises:
        InvalidInput: It is missing, or a value in it is invalid; each violation names its field.
    """
    if not section:
        raise InvalidInput("the profile has no section training")
    try:
        return TrainingSettings.model_validate(dict(section))
    except ValidationError as error:
        violations = [
            FieldViolation(
                ".".join(map(str, ("training", *problem["loc"]))),
                problem["msg"].removeprefix("Value error, "),
            )
            for problem in error.errors()
        ]
        text = "; ".join(f"{one.field}: {one.description}" for one in violations)
        raise InvalidInput(f"the training settings are invalid: {text}", violations) from error
