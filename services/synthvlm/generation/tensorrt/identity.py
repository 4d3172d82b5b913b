"""What determines whether a set of engines is the right one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthvlm.generation.tensorrt.sizes import BatchProfile
from synthvlm.storage import Manifest, ShardKey

KIND = "engines"
"""Shard kind of a set of engines, and the first part of its path."""

CODE_VERSION = 1
"""Incremented whenever the export of components changes, as that changes the engines."""


@dataclass(frozen=True)
class EngineIdentity:
    """What a set of engines was built for; a server needs an exact match.

    Attributes:
        model_digest: ``sha256:`` digest of the files of base and refiner.
        tensorrt: Full version of TensorRT: its runtime rejects engines of any other.
        sm: Compute capability of the GPU, for example ``9.0``: engines contain machine code for it.
        precision: Precision of the components in their graphs, for example ``float16``.
        batches: Sizes that the engines accept.
    """

    model_digest: str
    tensorrt: str
    sm: str
    precision: str
    batches: BatchProfile

    @property
    def key(self) -> ShardKey:
        """The key under which the engines are stored."""
        return ShardKey(
            kind=KIND,
            inputs={},
            configuration={
                "tensorrt": self.tensorrt,
                "sm": self.sm,
                "precision": self.precision,
                "batches": self.batches.to_json(),
            },
            model_digest=self.model_digest,
            code_version=CODE_VERSION,
        )

    @classmethod
    def of(cls, manifest: Manifest) -> "EngineIdentity | None":
        """What the engines of a manifest were built for; None if it does not describe engines."""
        try:
            values: Mapping[str, Any] = manifest.configuration
            return cls(
                model_digest=manifest.model_digest,
                tensorrt=str(values["tensorrt"]),
                sm=str(values["sm"]),
                precision=str(values["precision"]),
                batches=BatchProfile.from_json(values["batches"]),
            )
        except (KeyError, TypeError, ValueError):
            return None


def mismatches(found: EngineIdentity, wanted: EngineIdentity) -> list[str]:
    """How the found engines differ from the wanted ones, in words; empty if they match."""
    pairs = [
        ("model", found.model_digest, wanted.model_digest),
        ("TensorRT", found.tensorrt, wanted.tensorrt),
        ("compute capability", found.sm, wanted.sm),
        ("precision", found.precision, wanted.precision),
        ("batches", found.batches, wanted.batches),
    ]
    return [f"{name} {one}, not {other}" for name, one, other in pairs if one != other]
