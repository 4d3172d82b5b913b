"""What the bytes of an image depend on besides its request."""

from collections.abc import Mapping
from dataclasses import dataclass

from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.pipeline import PipelineSettings
from synthvlm.storage.batch_places import Places

Numerics = Mapping[str, str | int]
"""``executor``, ``device``, ``dtype``, ``batch_multiple``, ``reserved_places`` if there are any,
``threads`` on the CPU, settings of ``pipeline.torch`` that are not at their defaults, and any
versions that an executor adds."""


@dataclass(frozen=True)
class Identity:
    """A loaded model. Engines of equal identity produce the same bytes for the same request.

    Attributes:
        model_digest: ``sha256:`` digest of the files of base and refiner, and of any scheduler that
            replaces theirs.
        numerics: How they are computed.
    """

    model_digest: str
    numerics: Numerics

    def difference(self, found: "Identity") -> str:
        """How ``found`` differs from this identity, as text; empty if it matches.

        Additional numerics of ``found`` are ignored: versions are known only where the executor is
        installed.
        """
        wanted = {"model": self.model_digest, **self.numerics}
        given = {"model": found.model_digest, **found.numerics}
        return ", ".join(
            f"{name} is {given.get(name, 'missing')}, not {value}"
            for name, value in wanted.items()
            if given.get(name) != value
        )


def numerics_of(settings: PipelineSettings, versions: Numerics | None = None) -> Numerics:
    """How pipelines with these settings compute. Threads count only on the CPU.

    Args:
        settings: The pipelines.
        versions: What the executor adds.
    """
    device = settings.device.partition(":")[0]
    return {
        "executor": settings.executor,
        "device": device,
        "dtype": settings.dtype,
        "batch_multiple": settings.batch_multiple,
        **({"reserved_places": settings.reserved_places} if settings.reserved_places else {}),
        **({"threads": settings.threads} if device == "cpu" else {}),
        **settings.torch.numerics(),
        # As text: keys hold no fractions.
        **({"guidance_end": str(settings.guidance_end)} if settings.guidance_end < 1 else {}),
        **(versions or {}),
    }


def places_of(numerics: Numerics, batch_size: int) -> Places:
    """The places of a batch of an engine that computes like this."""
    return Places(batch_size, int(numerics.get("reserved_places", 0)))


def wanted_identity(settings: GenerationSettings) -> Identity:
    """The identity that settings require, without the versions of the executor. Loads nothing.

    Raises:
        NotFound: A model folder does not exist, and the settings have no digest instead.
    """
    pipeline = settings.pipeline
    return Identity(settings.triton.model_digest or pipeline.model_digest(), numerics_of(pipeline))
