"""Settings of the generation service; the profile's section ``generation`` holds the same keys."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from synthvlm.generation.engine import Sampling
from synthvlm.generation.limits import MAX_SIDE, SIZE_STEP, Fraction, Guidance, Side, Steps
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.reuse.settings import ReuseSettings
from synthvlm.serving.fields import OptionalDigest, Utf8
from synthvlm.serving.section import SettingsSection
from synthvlm.serving.settings import ServiceSettings

Endpoint = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+:[0-9]{1,5}$")]
"""``host:port``."""

Gpu = Annotated[int, Field(ge=0)]
"""Index of a GPU."""


class TensorRtSettings(SettingsSection):
    """TensorRT engines: where they are stored, and the image sizes that they accept."""

    store: str | None = None
    """Object store with the TensorRT engines of `synthvlm engines build`: file:///folder or a
    bucket's URL."""
    wait_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Seconds that a starting server waits for its engines to be built."""
    sides: tuple[Side, Side] | None = None
    """Minimum and maximum width and height in pixels that engines accept; null: only those of the
    profile."""


class TritonSettings(SettingsSection):
    """Triton servers: how the service calls them, and how they queue and batch."""

    endpoints: list[Endpoint] = Field(default_factory=list)
    """gRPC addresses of the Triton servers, host:port; an image goes to the least busy one."""
    tls_ca_file: Path | None = None
    """PEM file of the authorities of the Triton servers' certificates: switches TLS on; read when
    the service starts."""
    tls_certificate_file: Path | None = None
    """PEM file of the service's own certificate, which the Triton servers may require."""
    tls_key_file: Path | None = None
    """PEM file of its key."""
    model_digest: OptionalDigest = ""
    """Digest that the servers' model must have, if the service has no model folders of its own;
    empty: that of the folders."""
    patience_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 120.0
    """Seconds without a usable Triton server after which callers are told to retry; also how long
    the service waits for the first one at startup."""
    shared_memory: bool = False
    """Whether Triton servers return pixels in shared memory; they must be on this node, and in the
    same container or with the same /dev/shm."""
    queue: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Maximum number of images waiting in a Triton server; more are rejected at once."""
    queue_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 120.0
    """Seconds that an image may wait in a Triton server's queue before it is rejected."""
    handover: Annotated[int, Field(ge=0, le=4096)] = 0
    """Maximum number of images that Triton hands over at once; 0: batch_size, or four times as many
    where places are reserved. Those that exceed batch_size, differ in their parameters, or drew the
    same reserved place, are split into several batches."""
    gpus: list[Gpu] = Field(default_factory=lambda: [0], min_length=1)
    """GPUs of a Triton server, by index, if the device is cuda; each holds the pipeline."""
    instances: Annotated[int, Field(ge=1, le=64)] = 1
    """Copies of the pipeline on each GPU of a Triton server, or on its CPU."""

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "TritonSettings":
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file must be given together")
        if self.tls_certificate_file is not None and self.tls_ca_file is None:
            raise ValueError("tls_certificate_file needs tls_ca_file, which switches TLS on")
        return self


class GenerationSettings(ServiceSettings):
    """Settings of the generation service."""

    renamed: ClassVar[dict[str, str]] = {
        **{
            name: f"pipeline.{name}"
            for name in PipelineSettings.model_fields
            if name
            not in {
                "class_name",
                "pad_batches",
                "reserved_places",
                "torch",
                "guidance_end",
                "cached_prompts",
            }
        },
        "pipeline": "pipeline.class_name",
        **{f"tensorrt_{name}": f"tensorrt.{name}" for name in TensorRtSettings.model_fields},
        **{f"triton_{name}": f"triton.{name}" for name in TritonSettings.model_fields},
        "model_digest": "triton.model_digest",
    }

    engine: Literal["diffusers", "triton"] = "diffusers"
    """Engine that generates the images: diffusers runs the pipelines in this process, triton calls
    Triton servers that hold the same pipelines."""
    pipeline: PipelineSettings = PipelineSettings()
    """The models, and how they are run."""
    tensorrt: TensorRtSettings = TensorRtSettings()
    """TensorRT engines, for the executor tensorrt."""
    triton: TritonSettings = TritonSettings()
    """Triton servers, for the engine triton."""
    reuse: ReuseSettings = ReuseSettings()
    """Where images of other shards are found, so that none is made twice."""
    batch_size: Annotated[int, Field(ge=1, le=256)] = 16
    """Maximum number of images generated in one batch."""
    batch_wait_ms: Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)] = 60.0
    """Milliseconds that a partial batch waits for the callers of the previous batch to come back,
    from its end and from each image that arrives; an image that follows a pause, or comes from the
    only caller, does not wait. Triton counts them from the first image, and always waits. Sixteen
    callers of the mini profile need 45 ms to return after a batch, on two cores: late ones would
    wait for another whole batch."""
    steps: Steps = 60
    """Denoising steps of base and refiner together, unless a request says otherwise."""
    guidance_scale: Guidance = 20.0
    """Classifier-free guidance scale, unless a request says otherwise; 1 switches guidance off."""
    high_noise_fraction: Fraction = 1.0
    """Fraction of the noise schedule that the base denoises, unless a request says otherwise; 1
    skips the refiner."""
    width: Side = 1024
    """Width in pixels, unless a request says otherwise."""
    height: Side = 1024
    """Height in pixels, unless a request says otherwise."""
    negative_prompt: Annotated[str, Utf8(2048)] = ""
    """What images must not show, unless a request says otherwise."""
    max_pixels: Annotated[int, Field(ge=SIZE_STEP**2, le=MAX_SIDE**2)] = 1024 * 1024
    """Maximum pixels (width times height) that a request may ask for: a batch of them must fit in
    memory."""
    max_item_calls: Annotated[int, Field(ge=1)] = 32
    """GenerateImage calls that run at the same time: enough for a full batch to gather while
    another one is computed."""

    @model_validator(mode="after")
    def _is_consistent(self) -> "GenerationSettings":
        if self.batch_size % self.pipeline.batch_multiple:
            raise ValueError("batch_size must be a multiple of pipeline.batch_multiple")
        if self.pipeline.reserved_places and self.batch_size != self.pipeline.batch_multiple:
            raise ValueError("pipeline.reserved_places needs a batch_multiple equal to batch_size")
        if self.pipeline.refiner is None and self.high_noise_fraction < 1:
            raise ValueError("high_noise_fraction must be 1 without a refiner")
        if self.engine == "triton" and not self.triton.endpoints:
            raise ValueError("the engine triton needs triton.endpoints")
        if 0 < self.triton.handover < self.batch_size:
            raise ValueError("triton.handover must be 0 or at least batch_size")
        if self.width * self.height > self.max_pixels:
            raise ValueError("width times height must not exceed max_pixels")
        return self

    @model_validator(mode="after")
    def _engines_can_be_built(self) -> "GenerationSettings":
        if self.pipeline.executor == "tensorrt" and self.tensorrt.store is None:
            raise ValueError("the executor tensorrt needs tensorrt.store, which has its engines")
        if self.tensorrt.sides is not None:
            least, most = self.tensorrt.sides
            if not (least <= min(self.width, self.height) and max(self.width, self.height) <= most):
                raise ValueError("width and height must be within tensorrt.sides")
        return self

    @property
    def sampling(self) -> Sampling:
        """The default sampling parameters of requests."""
        return Sampling(
            steps=self.steps,
            guidance_scale=self.guidance_scale,
            high_noise_fraction=self.high_noise_fraction,
            width=self.width,
            height=self.height,
            negative_prompt=self.negative_prompt,
        )
