"""How the executor ``torch`` computes: section ``pipeline.torch`` of the service's settings."""

from pathlib import Path
from typing import Literal

from synthvlm.serving.section import SettingsSection

NO_PART_OF_NUMERICS = frozenset({"compile_cache"})
"""Settings that change no image."""


class TorchSettings(SettingsSection):
    """What PyTorch does besides computing operation by operation.

    A device that cannot do it is refused at start. All but compile_cache are part of the numerics.
    """

    compile_denoiser: Literal["none", "repeated_blocks", "whole"] = "none"
    """What torch.compile compiles of the denoising networks: only their repeated transformer blocks
    (seconds, at the first start), or each network as a whole (minutes, and faster images). A size
    or batch that was not used before is compiled when it is first asked for."""
    compile_decoder: bool = False
    """Whether the VAE's decoder is compiled."""
    compile_cache: Path | None = None
    """Folder where compiled code is kept between starts; null: a temporary folder. Code in it is
    run, so it must be as trustworthy as the weights."""
    channels_last: bool = False
    """Whether networks of convolutions keep channels in the innermost dimension."""
    attention: Literal["flash", "efficient", "cudnn", "math"] | None = None
    """Kernels of attention that are preferred; layers that these cannot compute are left to others.
    null: PyTorch's choice."""
    fuse_qkv: bool = False
    """Whether the denoising networks project queries, keys and values in one product."""
    fp8: Literal["linear"] | None = None
    """Layers in the denoising networks' transformer blocks that torchao computes in 8 bits, with a
    scale per row. Convolutions have no such kernel: torchao's need one scale for a whole batch, and
    then an image would depend on its neighbours."""
    decoder_dtype: Literal["float32", "float16", "bfloat16"] | None = None
    """Precision of the VAE's decoder; null: that of the pipeline, or float32 if the VAE asks for
    it. float16 needs a VAE that does not, such as SDXL's with weights that were fixed for it."""
    slice_decoder: bool = False
    """Whether the decoder takes one image after the other, which needs less memory."""

    @property
    def compiles(self) -> bool:
        """Whether anything is compiled."""
        return self.compile_denoiser != "none" or self.compile_decoder

    def numerics(self) -> dict[str, str | int]:
        """The settings that change images and are not at their defaults."""
        given = self.model_dump(exclude_defaults=True, exclude=set(NO_PART_OF_NUMERICS))
        return {name: int(value) if value is True else value for name, value in given.items()}
