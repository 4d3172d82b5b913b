"""The components of diffusion pipelines that are networks, as plain functions of named tensors.

A pipeline calls them in many ways (keywords, nested dictionaries, output objects). An executor
handles only named tensors. Each class here translates for one kind of component, in both
directions: the pipeline's arguments to the graph's inputs, and the graph's outputs to what the
pipeline expects.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.clip.modeling_clip import CLIPTextModelOutput

Tensors = Mapping[str, torch.Tensor]

BATCH, HEIGHT, WIDTH, TOKENS = "batch", "height", "width", "tokens"
"""Names of the dynamic axes; height and width are those of the latents."""

WINDOW = 77
"""Context length of CLIP's text encoders, in tokens."""

T5_WINDOW = 256
"""Tokens that Stable Diffusion 3 reserves for its T5 encoder, even without one."""

_SIZE = (HEIGHT, WIDTH)


@dataclass(frozen=True)
class TensorShape:
    """One input or output of a graph.

    Attributes:
        name: Its name in the graph.
        axes: Its axes: a name for a dynamic axis, else its length.
        dtype: Its data type; None: the precision of the component.
    """

    name: str
    axes: tuple[str | int, ...]
    dtype: torch.dtype | None = None

    def example(self, sizes: Mapping[str, int], precision: torch.dtype) -> torch.Tensor:
        """A deterministic tensor of this shape.

        Args:
            sizes: Lengths of the named axes.
            precision: Data type if ``dtype`` is None.
        """
        lengths = [sizes[axis] if isinstance(axis, str) else axis for axis in self.axes]
        generator = torch.Generator().manual_seed(sum(map(ord, self.name)))
        if self.dtype == torch.int64:
            return torch.randint(1, 40, lengths, generator=generator)
        return torch.randn(lengths, generator=generator).to(self.dtype or precision)


class Component(Protocol):
    """One kind of component.

    Attributes:
        method: The module's method that the pipeline calls: ``forward`` or ``decode``.
        inputs: The graph's inputs, in the order in which ``compute`` takes them.
        outputs: The graph's outputs, in the order in which ``compute`` returns them.
    """

    method: str
    inputs: tuple[TensorShape, ...]
    outputs: tuple[TensorShape, ...]

    def compute(self, module: Any, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The function that is exported: calls the PyTorch module with the graph's inputs."""

    def bind(self, *args: Any, **kwargs: Any) -> Tensors:
        """Converts the arguments of the pipeline's call to the graph's inputs."""

    def answer(self, outputs: Tensors) -> Any:
        """Converts the graph's outputs to what the pipeline expects."""


class Unet:
    """SDXL's denoising network, in base, refiner, turbo and lightning models.

    Args:
        module: A ``UNet2DConditionModel`` with SDXL's ``text_time`` conditioning.
        pooled: Length of the pooled text embedding.
    """

    method = "forward"

    def __init__(self, module: Any, pooled: int) -> None:
        config = module.config
        features = int(config.projection_class_embeddings_input_dim)
        times = (features - pooled) // int(config.addition_time_embed_dim)
        latents = (BATCH, int(config.in_channels), HEIGHT, WIDTH)
        self.inputs: tuple[TensorShape, ...] = (
            TensorShape("sample", latents),
            TensorShape("timestep", (), torch.float32),
            TensorShape("encoder_hidden_states", (BATCH, TOKENS, int(config.cross_attention_dim))),
            TensorShape("text_embeds", (BATCH, pooled)),
            TensorShape("time_ids", (BATCH, times)),
        )
        self.outputs: tuple[TensorShape, ...] = (TensorShape("prediction", latents),)

    def compute(self, module: Any, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Component.compute``."""
        sample, timestep, text, text_embeds, time_ids = tensors
        added = {"text_embeds": text_embeds, "time_ids": time_ids}
        (prediction,) = module(
            sample,
            timestep,
            encoder_hidden_states=text,
            added_cond_kwargs=added,
            return_dict=False,
        )
        return (prediction,)

    def bind(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        encoder_hidden_states: torch.Tensor,
        added_cond_kwargs: Tensors,
        **rest: Any,
    ) -> Tensors:
        """See ``Component.bind``."""
        require_unused(rest)
        return {
            "sample": sample,
            "timestep": timestep.reshape(()),
            "encoder_hidden_states": encoder_hidden_states,
            **added_cond_kwargs,
        }

    def answer(self, outputs: Tensors) -> tuple[torch.Tensor]:
        """See ``Component.answer``."""
        return (outputs["prediction"],)


class Transformer:
    """Stable Diffusion 3's denoising network.

    Args:
        module: An ``SD3Transformer2DModel``.
    """

    method = "forward"

    def __init__(self, module: Any) -> None:
        config = module.config
        latents = (BATCH, int(config.in_channels), HEIGHT, WIDTH)
        text = (BATCH, WINDOW + T5_WINDOW, int(config.joint_attention_dim))
        self.inputs: tuple[TensorShape, ...] = (
            TensorShape("hidden_states", latents),
            TensorShape("encoder_hidden_states", text),
            TensorShape("pooled_projections", (BATCH, int(config.pooled_projection_dim))),
            TensorShape("timestep", (BATCH,), torch.float32),
        )
        self.outputs: tuple[TensorShape, ...] = (
            TensorShape("prediction", (BATCH, int(config.out_channels), HEIGHT, WIDTH)),
        )

    def compute(self, module: Any, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Component.compute``."""
        latents, text, pooled, timestep = tensors
        (prediction,) = module(
            hidden_states=latents,
            encoder_hidden_states=text,
            pooled_projections=pooled,
            timestep=timestep,
            return_dict=False,
        )
        return (prediction,)

    def bind(
        self,
        *,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        pooled_projections: torch.Tensor,
        timestep: torch.Tensor,
        **rest: Any,
    ) -> Tensors:
        """See ``Component.bind``."""
        require_unused(rest)
        return {
            "hidden_states": hidden_states,
            "encoder_hidden_states": encoder_hidden_states,
            "pooled_projections": pooled_projections,
            "timestep": timestep,
        }

    def answer(self, outputs: Tensors) -> tuple[torch.Tensor]:
        """See ``Component.answer``."""
        return (outputs["prediction"],)


class T5Encoder:
    """Stable Diffusion 3's T5 encoder; the pipeline uses its last hidden state.

    Args:
        module: A ``T5EncoderModel``.
    """

    method = "forward"

    def __init__(self, module: Any) -> None:
        self.inputs: tuple[TensorShape, ...] = (
            TensorShape("input_ids", (BATCH, T5_WINDOW), torch.int64),
        )
        self.outputs: tuple[TensorShape, ...] = (
            TensorShape("last", (BATCH, T5_WINDOW, int(module.config.d_model))),
        )

    def compute(self, module: Any, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Component.compute``."""
        return (module(tensors[0])[0],)

    def bind(self, input_ids: torch.Tensor, **rest: Any) -> Tensors:
        """See ``Component.bind``."""
        require_unused(rest)
        return {"input_ids": input_ids}

    def answer(self, outputs: Tensors) -> Any:
        """See ``Component.answer``."""
        return BaseModelOutput(last_hidden_state=outputs["last"])


class TextEncoder:
    """A CLIP text encoder; pipelines use its pooled and penultimate outputs.

    Args:
        module: A ``CLIPTextModelWithProjection``, or a ``CLIPTextModel``, whose first output is
            the last hidden state.
    """

    method = "forward"

    def __init__(self, module: Any) -> None:
        config = module.config
        self._layers = int(config.num_hidden_layers)
        self._projects = hasattr(module, "text_projection")
        width = (BATCH, WINDOW, int(config.hidden_size))
        self.inputs: tuple[TensorShape, ...] = (
            TensorShape("input_ids", (BATCH, WINDOW), torch.int64),
        )
        self.outputs: tuple[TensorShape, ...] = (
            TensorShape("first", (BATCH, int(config.projection_dim)) if self._projects else width),
            TensorShape("penultimate", width),
        )

    def compute(self, module: Any, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Component.compute``."""
        (input_ids,) = tensors
        encoded = module(input_ids, output_hidden_states=True)
        return encoded[0], encoded.hidden_states[-2]

    def bind(self, input_ids: torch.Tensor, **rest: Any) -> Tensors:
        """See ``Component.bind``."""
        rest.pop("output_hidden_states", None)
        require_unused(rest)
        return {"input_ids": input_ids}

    def answer(self, outputs: Tensors) -> Any:
        """See ``Component.answer``; hidden states that no pipeline reads are None."""
        hidden = (*[None] * (self._layers - 1), outputs["penultimate"], None)
        if self._projects:
            return CLIPTextModelOutput(text_embeds=outputs["first"], hidden_states=hidden)
        return BaseModelOutput(last_hidden_state=outputs["first"], hidden_states=hidden)


class Decoder:
    """The decoder of a variational autoencoder, from latents to an image.

    Args:
        module: An ``AutoencoderKL``.
    """

    method = "decode"

    def __init__(self, module: Any) -> None:
        self.inputs: tuple[TensorShape, ...] = (
            TensorShape("latents", (BATCH, int(module.config.latent_channels), *_SIZE)),
        )
        self.outputs: tuple[TensorShape, ...] = (
            TensorShape("image", (BATCH, 3, "image_height", "image_width")),
        )

    def compute(self, module: Any, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Component.compute``."""
        (image,) = module.decode(tensors[0], return_dict=False)
        return (image,)

    def bind(self, latents: torch.Tensor, **rest: Any) -> Tensors:
        """See ``Component.bind``."""
        require_unused(rest)
        return {"latents": latents}

    def answer(self, outputs: Tensors) -> tuple[torch.Tensor]:
        """See ``Component.answer``."""
        return (outputs["image"],)


def components_of(pipeline: Any) -> dict[str, Component]:
    """The components of a pipeline that an executor takes over, by the pipeline's attribute.

    Raises:
        NotImplementedError: The pipeline has a component of another kind, which would silently stay
            with PyTorch.
    """
    found: dict[str, Component] = {}
    for name, module in pipeline.components.items():
        match type(module).__name__:
            case "UNet2DConditionModel" if hasattr(pipeline, "text_encoder_2"):
                found[name] = Unet(module, int(pipeline.text_encoder_2.config.projection_dim))
            case "SD3Transformer2DModel":
                found[name] = Transformer(module)
            case "CLIPTextModel" | "CLIPTextModelWithProjection":
                found[name] = TextEncoder(module)
            case "T5EncoderModel":
                found[name] = T5Encoder(module)
            case "AutoencoderKL":
                found[name] = Decoder(module)
            case kind if isinstance(module, torch.nn.Module):
                raise NotImplementedError(
                    f"only PyTorch can run a {kind} ({name}): set pipeline.executor to torch"
                )
    return found


def require_unused(rest: Mapping[str, Any]) -> None:
    """Checks that a pipeline passes no arguments that the graph ignores.

    Raises:
        NotImplementedError: It passes one, for example an attention mask.
    """
    used = sorted(name for name, value in rest.items() if value is not None and value is not False)
    if used:
        raise NotImplementedError(f"an exported component does not accept {', '.join(used)}")
