"""The diffusion pipelines of a profile: section ``pipeline`` of the service's settings."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from synthvlm.generation.limits import Fraction
from synthvlm.generation.torch.options import TorchSettings
from synthvlm.model_folders import model_digest, resolve_model
from synthvlm.serving.section import SettingsSection
from synthvlm.storage import sha256_digest
from synthvlm.storage.digests import canonical_json

SDXL = "StableDiffusionXLPipeline"
"""The default pipeline class."""


class PipelineSettings(SettingsSection):
    """Which models are loaded, as which pipelines, and what computes their components.

    These are the only settings that affect the bytes of an image, besides its request.
    """

    model: str = "bundled:mini-sdxl"
    """The base: a folder of a pipeline of class_name, or bundled:NAME."""
    refiner: str | None = None
    """The refiner: a folder of a StableDiffusionXLImg2ImgPipeline, or bundled:NAME; null: none."""
    variant: str | None = None
    """Variant of the weight files, for example fp16; null: the files without a variant."""
    class_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+Pipeline$")] = SDXL
    """diffusers class that runs the base, for example StableDiffusion3Pipeline."""
    scheduler: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+Scheduler$")] | None = None
    """diffusers class that replaces the model's own scheduler; null: the model's own. Lightning
    models need EulerDiscreteScheduler with {"timestep_spacing": "trailing"}."""
    scheduler_options: dict[str, Any] = Field(default_factory=dict)
    """Scheduler options that override the model's configuration."""
    executor: Literal["torch", "onnxruntime", "tensorrt"] = "torch"
    """Executor of the components: torch on CPU and GPU, onnxruntime on the CPU, tensorrt on a
    GPU."""
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"
    """Where the components run: cpu, cuda, or cuda:1 for the second GPU."""
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Precision of the components. SDXL's VAE is computed in float32 if its configuration asks for
    it."""
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    """Threads per operation on the CPU. Affects how sums are split, so images depend on it."""
    batch_multiple: Annotated[int, Field(ge=1, le=256)] = 4
    """Batches are padded to a multiple of this, so that an image does not depend on its batch;
    batch_size must be a multiple of it. On a GPU, set it to batch_size."""
    pad_batches: bool = False
    """Whether PyTorch on the CPU pads whole batches, as everything else does. false: only the few
    layers that depend on the number of images, for StableDiffusionXL pipelines and where a check at
    start finds that this is enough."""
    reserved_places: Annotated[int, Field(ge=0, le=255)] = 0
    """Last places of a batch that compute otherwise than the others: 1 on the GPUs that were
    measured. Each is reserved for images of its own, chosen by prompt and seed, so that an image
    is always computed alike; batch_multiple must be batch_size."""
    torch: TorchSettings = TorchSettings()
    """What the executor torch does to be faster."""
    guidance_end: Fraction = 1.0
    """Fraction of the noise schedule after which the remaining steps are computed without guidance,
    which takes half of a step's time; 1: none. For StableDiffusionXL pipelines."""
    cached_prompts: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Prompts whose embeddings are kept, so that those of a caption's repeats are computed once; 0:
    none. It changes no image. For StableDiffusionXL pipelines."""

    @model_validator(mode="after")
    def _is_consistent(self) -> "PipelineSettings":
        if self.refiner is not None and not self.class_name.startswith("StableDiffusionXL"):
            raise ValueError("only StableDiffusionXL pipelines have a refiner")
        if self.scheduler_options and self.scheduler is None:
            raise ValueError("scheduler_options need a scheduler")
        if self.torch != TorchSettings() and self.executor != "torch":
            raise ValueError("the settings in torch need the executor torch")
        if not self.class_name.startswith("StableDiffusionXL"):
            for name in ("guidance_end", "cached_prompts"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} needs a StableDiffusionXL pipeline")
        if self.executor == "onnxruntime" and self.device != "cpu":
            raise ValueError("the executor onnxruntime runs on the CPU")
        if self.executor == "tensorrt" and self.device == "cpu":
            raise ValueError("the executor tensorrt runs on a GPU: set device to cuda")
        if self.reserved_places >= self.batch_multiple:
            raise ValueError("reserved_places must be less than batch_multiple")
        return self

    @property
    def pads_layers(self) -> bool:
        """Whether single layers are padded, and batches are not.

        It was measured for SDXL's networks; of Stable Diffusion 3's, other layers depend on the
        number of images.
        """
        in_torch = self.executor == "torch" and self.device == "cpu"
        is_xl = self.class_name.startswith("StableDiffusionXL")
        is_plain = self.torch == TorchSettings() and not self.reserved_places
        return in_torch and is_xl and is_plain and not self.pad_batches

    def in_torch(self, device: str) -> "PipelineSettings":
        """The same pipelines computed by PyTorch, for export.

        Args:
            device: torch device, for example ``cpu``.
        """
        return self.model_copy(
            update={"executor": "torch", "device": device, "torch": TorchSettings()}
        )

    def folders(self) -> list[Path]:
        """The folders of base and, if there is one, refiner.

        Raises:
            NotFound: A model folder does not exist.
        """
        return [resolve_model(one) for one in (self.model, self.refiner) if one is not None]

    def files_digest(self) -> str:
        """``sha256:`` digest of the files of base and refiner, ignoring the scheduler settings.

        Raises:
            NotFound: A model folder does not exist.
        """
        return model_digest(*self.folders())

    def model_digest(self) -> str:
        """``sha256:`` digest of the model, including the scheduler settings.

        Raises:
            NotFound: A model folder does not exist.
        """
        return self.identify(self.files_digest())

    def identify(self, files_digest: str) -> str:
        """Digest of the model, given the digest of its files.

        The files include their scheduler, so their digest identifies the model unless the settings
        replace it: a different scheduler makes different images from the same files.
        """
        if self.class_name == SDXL and self.scheduler is None:
            return files_digest
        identity = {
            "files": files_digest,
            "pipeline": self.class_name,
            "scheduler": self.scheduler,
            "scheduler_options": self.scheduler_options,
        }
        return sha256_digest(canonical_json(identity))
