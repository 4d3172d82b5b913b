"""What, besides its request, the bytes of an image depend on."""

from collections.abc import Mapping
from dataclasses import dataclass

from synthvlm.generation.config import GenerationSettings
from synthvlm.models import model_digest, resolve_model

Numerics = Mapping[str, str | int]
"""``executor``, ``device``, ``dtype``, ``batch_multiple``, ``threads`` on the CPU, and whatever
versions an executor adds."""


@dataclass(frozen=True)
class Identity:
    """A loaded model. Engines of equal identity give the same bytes for the same request.

    Attributes:
        model_digest: ``sha256:`` digest of the files of base and refiner.
        numerics: How they are computed.
    """

    model_digest: str
    numerics: Numerics

    def difference(self, found: "Identity") -> str:
        """In what ``found`` is not as this identity asks; empty when it is.

        Numerics of ``found`` that this identity does not know do not count: versions are known only
        where the executor is installed.
        """
        wanted = {"model": self.model_digest, **self.numerics}
        given = {"model": found.model_digest, **found.numerics}
        return ", ".join(
            f"{name} is {given.get(name, 'missing')}, not {value}"
            for name, value in wanted.items()
            if given.get(name) != value
        )


def numerics_of(
    *,
    executor: str,
    device: str,
    dtype: str,
    batch_multiple: int,
    threads: int,
    versions: Numerics | None = None,
) -> Numerics:
    """The numerics of an engine.

    Args:
        executor: What computes the networks.
        device: ``cpu`` or ``cuda``, without a number.
        dtype: ``float32``, ``float16`` or ``bfloat16``.
        batch_multiple: Batches are padded to a multiple of this.
        threads: Threads of one operation; counts on the CPU alone.
        versions: What the executor adds.
    """
    return {
        "executor": executor,
        "device": device,
        "dtype": dtype,
        "batch_multiple": batch_multiple,
        **({"threads": threads} if device == "cpu" else {}),
        **(versions or {}),
    }


def wanted_identity(settings: GenerationSettings) -> Identity:
    """The identity that settings ask for, without the versions of the executor. Loads nothing.

    Raises:
        NotFound: A model folder does not exist, and the settings give no digest instead.
    """
    numerics = numerics_of(
        executor=settings.executor,
        device=settings.device.partition(":")[0],
        dtype=settings.dtype,
        batch_multiple=settings.batch_multiple,
        threads=settings.threads,
    )
    return Identity(settings.model_digest or _digest(settings), numerics)


def _digest(settings: GenerationSettings) -> str:
    references = [settings.model, *([settings.refiner] if settings.refiner else [])]
    return settings.recipe.identify(model_digest(*map(resolve_model, references)))
