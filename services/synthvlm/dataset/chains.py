"""The shards of a run and what each was made from, checked before their contents are read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthvlm.dataset.readahead import WORKERS, read_ahead
from synthvlm.errors import DataCorrupt, FieldViolation, InvalidInput, NotFound
from synthvlm.progress import Reporter
from synthvlm.storage import Manifest, ShardRef, Store, canonical_json, open_shard, sha256_digest

Stages = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""The distinct configurations of each stage, by service and the configuration's digest.

Each has ``model_digest``, ``code_version`` and ``configuration``.
"""

_RECORDS_AT_ONCE = 400_000
"""Images whose rows may be in memory at the same time."""

_KINDS = {"caption_set": "captions", "image_set": "images", "score_set": "scores"}
_WORDS = {"caption_set": "caption", "image_set": "generation", "score_set": "alignment"}


@dataclass(frozen=True)
class ShardChain:
    """The shards of one set of captions: the captions, their images, and the scores of both."""

    caption_set: ShardRef
    image_set: ShardRef
    score_set: ShardRef


@dataclass(frozen=True)
class CheckedChain:
    """A chain whose shards exist and were made from one another.

    Attributes:
        generation: Digest of the configuration that made the images.
    """

    shards: ShardChain
    generation: str


@dataclass(frozen=True)
class CheckedChains:
    """All chains of a run.

    Attributes:
        chains: In canonical order: by the digests of their ScoreSets.
        stages: The configurations that made their shards.
    """

    chains: Sequence[CheckedChain]
    stages: Stages

    @property
    def workers(self) -> int:
        """Shards to read at the same time: fewer if they are large, so that memory is bounded."""
        largest = max((one.shards.image_set.records for one in self.chains), default=0)
        return max(1, min(WORKERS, _RECORDS_AT_ONCE // max(1, largest)))

    @property
    def digest(self) -> str:
        """Digest of the digests of all shards."""
        return sha256_digest(
            canonical_json(
                [[getattr(one.shards, role).digest for role in _KINDS] for one in self.chains]
            )
        )


def check_chains(store: Store, chains: Sequence[ShardChain], reporter: Reporter) -> CheckedChains:
    """Reads the manifests of all shards and checks that they belong together.

    Only digests and configurations are kept in memory, not the manifests. Duplicate chains count
    once.

    Raises:
        InvalidInput: A shard is of the wrong kind, or was not made from the others of its chain;
            the violations name it, for example ``shards[3].image_set``.
        NotFound: A shard does not exist.
        DataCorrupt: A manifest is damaged.
    """
    checked: list[CheckedChain] = []
    stages: dict[str, dict[str, dict[str, Any]]] = {word: {} for word in _WORDS.values()}
    violations: list[FieldViolation] = []
    with read_ahead(lambda item: _manifests(store, *item), enumerate(chains)) as opened:
        for index, (chain, manifests) in enumerate(zip(chains, opened, strict=True)):
            reporter.check()
            violations += _mismatches(index, chain, manifests)
            for role, manifest in manifests.items():
                configuration = stage_configuration(manifest)
                stages[_WORDS[role]][_digest(configuration)] = configuration
            generation = _digest(stage_configuration(manifests["image_set"]))
            checked.append(CheckedChain(chain, generation))
    if violations:
        first = violations[0]
        raise InvalidInput(f"{first.field} {first.description}", violations[:100])
    unique = sorted(set(checked), key=lambda one: one.shards.score_set.digest)
    return CheckedChains(
        unique, {word: dict(sorted(known.items())) for word, known in stages.items()}
    )


def _manifests(store: Store, index: int, chain: ShardChain) -> dict[str, Manifest]:
    manifests = {}
    for role in _KINDS:
        try:
            manifests[role] = open_shard(store, getattr(chain, role)).manifest
        except (NotFound, DataCorrupt) as error:
            raise type(error)(f"shards[{index}].{role}: {error.message}", error.metadata) from error
    return manifests


def _mismatches(
    index: int, chain: ShardChain, manifests: Mapping[str, Manifest]
) -> Iterable[FieldViolation]:
    wrong_kind = False
    for role, kind in _KINDS.items():
        manifest, ref = manifests[role], getattr(chain, role)
        if manifest.kind != kind:
            wrong_kind = True
            problem = f"is a shard of {manifest.kind}, not of {kind}"
            yield FieldViolation(f"shards[{index}].{role}", problem)
        if manifest.records != ref.records:
            problem = f"has {manifest.records} records, not {ref.records}"
            yield FieldViolation(f"shards[{index}].{role}", problem)
    if wrong_kind:
        return
    for made, source in (
        ("image_set", "caption_set"),
        ("score_set", "image_set"),
        ("score_set", "caption_set"),
    ):
        if getattr(chain, source).digest not in manifests[made].inputs.values():
            problem = f"was not made from this chain's {source}"
            yield FieldViolation(f"shards[{index}].{made}", problem)


def stage_configuration(manifest: Manifest) -> dict[str, Any]:
    """The configuration that a stage made a shard with, as recorded in a version's ``stages``."""
    return {
        "model_digest": manifest.model_digest,
        "code_version": manifest.code_version,
        "configuration": manifest.configuration,
    }


def _digest(configuration: Mapping[str, Any]) -> str:
    return sha256_digest(canonical_json(configuration))
