"""Settings of the generation service; the profile's section ``generation`` holds the same keys."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from synthvlm.generation.engine import Sampling
from synthvlm.generation.limits import MAX_SIDE, SIZE_STEP, Fraction, Guidance, Side, Steps
from synthvlm.generation.recipe import SDXL, PipelineRecipe
from synthvlm.serving.fields import OptionalDigest, Utf8
from synthvlm.serving.settings import ServiceSettings

Endpoint = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+:[0-9]{1,5}$")]
"""``host:port``."""

Gpu = Annotated[int, Field(ge=0)]
"""Number of a GPU."""


class GenerationSettings(ServiceSettings):
    """Settings of the generation service."""

    engine: Literal["diffusers", "triton"] = "diffusers"
    """What synthesises the images: diffusers runs the pipelines in this process, triton asks Triton
    servers that hold the same pipelines."""
    executor: Literal["torch", "onnxruntime", "tensorrt"] = "torch"
    """What computes the networks: torch on CPU and GPU, onnxruntime on the CPU, tensorrt on a
    GPU."""
    tensorrt_store: str | None = None
    """Object store with the TensorRT engines of `synthvlm engines build`: file:///folder or a
    bucket's URL."""
    tensorrt_wait_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """How long a starting server waits for its engines to be built."""
    tensorrt_sides: tuple[Side, Side] | None = None
    """Least and largest width and height in pixels that engines take; null: those of the profile
    alone."""
    tensorrt_quantization: Literal["fp8", "int8"] | None = None
    """What the denoising networks are quantized to by NVIDIA ModelOpt; null: they are not."""
    pipeline: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+Pipeline$")] = SDXL
    """Class of diffusers that runs the base, for example StableDiffusion3Pipeline."""
    scheduler: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+Scheduler$")] | None = None
    """Class of diffusers that replaces the model's own scheduler; null: the model's own. Lightning
    models want EulerDiscreteScheduler with {"timestep_spacing": "trailing"}."""
    scheduler_options: dict[str, Any] = Field(default_factory=dict)
    """Options of the scheduler that differ from the model's configuration."""
    model: str = "bundled:mini-sdxl"
    """The base: a folder of a pipeline of that class, or bundled:NAME."""
    refiner: str | None = None
    """The refiner: a folder of a StableDiffusionXLImg2ImgPipeline, or bundled:NAME; null: none."""
    variant: str | None = None
    """Variant of the weight files, for example fp16; null: those without one."""
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"
    """Where the networks run: cpu, cuda, or cuda:1 for the second GPU."""
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Precision of the networks. SDXL's VAE is computed in float32 when its weights ask for it."""
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    """Threads of one operation on the CPU. Decides how sums are split, so images depend on it."""
    batch_size: Annotated[int, Field(ge=1, le=256)] = 16
    """Images synthesised in one batch, at most."""
    batch_multiple: Annotated[int, Field(ge=1, le=256)] = 4
    """Batches are padded to a multiple of this, so that an image does not depend on its batch;
    batch_size must be a multiple of it. On a GPU, set it to batch_size."""
    batch_wait_ms: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)] = 60.0
    """Milliseconds without a further image after which a batch starts that is not full. Triton
    counts them from the first image. Sixteen callers of the mini profile need 45 ms to come back
    after a batch, on two cores: those who are late would wait for a whole batch more."""
    steps: Steps = 60
    """Denoising steps of base and refiner together, unless a request says otherwise."""
    guidance_scale: Guidance = 20.0
    """Classifier-free guidance scale, unless a request says otherwise; 1 switches guidance off."""
    high_noise_fraction: Fraction = 1.0
    """Part of the noise schedule that the base denoises, unless a request says otherwise; 1 leaves
    the refiner out."""
    width: Side = 1024
    """Width in pixels, unless a request says otherwise."""
    height: Side = 1024
    """Height in pixels, unless a request says otherwise."""
    negative_prompt: Annotated[str, Utf8(2048)] = ""
    """What images must not show, unless a request says otherwise."""
    max_pixels: Annotated[int, Field(ge=SIZE_STEP**2, le=MAX_SIDE**2)] = 1024 * 1024
    """Most pixels (width times height) that a request may ask for: what a batch of them needs must
    fit the memory."""
    model_digest: OptionalDigest = ""
    """Digest that the model must have, where Triton computes and the service has no model folders
    of its own; empty: that of the folders."""
    triton_endpoints: list[Endpoint] = Field(default_factory=list)
    """gRPC addresses of the Triton servers, host:port; an image goes to the least busy one."""
    triton_patience_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 120.0
    """Seconds without any usable Triton server after which callers are told to come again; also how
    long the service waits for the first one when it starts."""
    triton_shared_memory: bool = False
    """Whether Triton servers hand pixels over in shared memory; they must be on this node, and in
    the same container or with the same /dev/shm."""
    triton_queue: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Images that wait in a Triton server, at most; further ones are rejected at once."""
    triton_queue_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 120.0
    """Seconds that an image may wait in a Triton server's queue before it is rejected."""
    triton_handover: Annotated[int, Field(ge=0, le=4096)] = 0
    """Images that Triton hands over at once, at most; 0: batch_size. What exceeds batch_size, or
    differs in its parameters, is split."""
    triton_gpus: list[Gpu] = Field(default_factory=lambda: [0], min_length=1)
    """GPUs of a Triton server, by number, where the device is cuda; each holds the pipeline."""
    triton_instances: Annotated[int, Field(ge=1, le=64)] = 1
    """Copies of the pipeline on each GPU of a Triton server, or on its CPU."""
    max_item_calls: Annotated[int, Field(ge=1)] = 32
    """GenerateImage calls that run at the same time: enough for a full batch to gather while
    another one is computed."""

    @model_validator(mode="after")
    def _is_consistent(self) -> "GenerationSettings":
        if self.batch_size % self.batch_multiple:
            raise ValueError("batch_size must be a multiple of batch_multiple")
        if self.refiner is None and self.high_noise_fraction < 1:
            raise ValueError("high_noise_fraction must be 1 without a refiner")
        if self.refiner is not None and not self.pipeline.startswith("StableDiffusionXL"):
            raise ValueError("only StableDiffusionXL pipelines have a refiner")
        if self.scheduler_options and self.scheduler is None:
            raise ValueError("scheduler_options need a scheduler")
        if self.engine == "triton" and not self.triton_endpoints:
            raise ValueError("the engine triton needs triton_endpoints")
        if 0 < self.triton_handover < self.batch_size:
            raise ValueError("triton_handover must be 0, or batch_size at least")
        if self.width * self.height > self.max_pixels:
            raise ValueError("width times height must not exceed max_pixels")
        return self

    @model_validator(mode="after")
    def _executor_is_possible(self) -> "GenerationSettings":
        if self.executor == "onnxruntime" and self.device != "cpu":
            raise ValueError("the executor onnxruntime computes on the CPU")
        if self.executor == "tensorrt" and self.device == "cpu":
            raise ValueError("the executor tensorrt computes on a GPU: set device to cuda")
        if self.executor == "tensorrt" and self.tensorrt_store is None:
            raise ValueError("the executor tensorrt needs tensorrt_store, where its engines are")
        if self.tensorrt_quantization is not None and self.dtype != "float16":
            raise ValueError("tensorrt_quantization needs dtype float16")
        if self.tensorrt_sides is not None:
            least, most = self.tensorrt_sides
            if not (least <= min(self.width, self.height) and max(self.width, self.height) <= most):
                raise ValueError("width and height must be within tensorrt_sides")
        return self

    @property
    def recipe(self) -> PipelineRecipe:
        """What becomes of the base's files."""
        return PipelineRecipe(self.pipeline, self.scheduler, self.scheduler_options)

    @property
    def sampling(self) -> Sampling:
        """The sampling parameters of requests that say nothing else."""
        return Sampling(
            steps=self.steps,
            guidance_scale=self.guidance_scale,
            high_noise_fraction=self.high_noise_fraction,
            width=self.width,
            height=self.height,
            negative_prompt=self.negative_prompt,
        )
