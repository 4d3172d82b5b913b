"""Keys of shards: everything that decides a shard's bytes, and so its folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synthvlm.errors import PreconditionFailed
from synthvlm.storage.digests import canonical_json, sha256_digest

SCHEMA_VERSION = 2
"""Version of all tables of ``schemas``, raised whenever one of them changes."""


@dataclass(frozen=True)
class ShardKey:
    """Everything that decides a shard's bytes.

    Attributes:
        kind: First part of the shard's path: ``captions``, ``images``…
        inputs: Digests of what is read, by role. Digests only: no paths, no names of folders.
        configuration: What the stage is told, as JSON values.
        model_digest: Digest of the model; empty for stages without one.
        code_version: Raised by a stage whenever its code gives other results.
        schema_version: Version of the tables.
    """

    kind: str
    inputs: Mapping[str, str]
    configuration: Mapping[str, Any] = field(default_factory=dict)
    model_digest: str = ""
    code_version: int = 1
    schema_version: int = SCHEMA_VERSION

    @property
    def path(self) -> str:
        """The shard's folder below the store's root."""
        identity = {
            "kind": self.kind,
            "schema_version": self.schema_version,
            "code_version": self.code_version,
            "inputs": dict(self.inputs),
            "configuration": dict(self.configuration),
            "model_digest": self.model_digest,
        }
        digest = sha256_digest(canonical_json(identity)).removeprefix("sha256:")
        return f"{self.kind}/{digest[:32]}"

    def require_model(self, expected: str) -> None:
        """Returns when the shard is made with the model that the caller expects; empty: any.

        Raises:
            PreconditionFailed: It is made with another one.
        """
        if expected and expected != self.model_digest:
            raise PreconditionFailed(
                "the service has loaded another model than the one that the call expects",
                {"expected": expected, "loaded": self.model_digest},
            )
