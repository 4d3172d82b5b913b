"""The evaluations that a store holds."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from synthvlm.errors import InvalidInput, NotFound
from synthvlm.evaluation.comparison import record_of
from synthvlm.evaluation.results import KIND, EvaluationRecord
from synthvlm.storage import ShardRef, Store, committed_shards, open_shard

_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Found:
    """A committed evaluation and its record."""

    ref: ShardRef
    record: EvaluationRecord


def evaluations(store: Store) -> Iterator[Found]:
    """All evaluations of a store, in order of their paths.

    Raises:
        DataCorrupt: One is damaged.
    """
    for ref, _ in committed_shards(store, KIND):
        yield Found(ref, record_of(open_shard(store, ref)))


def find_evaluation(store: Store, text: str) -> Found:
    """The evaluation that a user means.

    Args:
        store: Where to look.
        text: The model's name, or at least eight digits of the digest of the evaluation or model.

    Raises:
        NotFound: There is none.
        InvalidInput: There are several.
    """
    found = [one for one in evaluations(store) if _is_meant(one, text)]
    if not found:
        raise NotFound(
            f"no evaluation is called {text!r}; `synthvlm evaluations list` names those there are"
        )
    if len(found) > 1:
        digests = ", ".join(one.ref.digest.removeprefix("sha256:")[:12] for one in found)
        raise InvalidInput(f"{text!r} means several evaluations; give one of {digests}")
    return found[0]


def _is_meant(one: Found, text: str) -> bool:
    if one.record.model.name == text:
        return True
    if not _DIGEST.fullmatch(text):
        return False
    digits = text.removeprefix("sha256:")
    return any(
        digest.removeprefix("sha256:").startswith(digits)
        for digest in (one.ref.digest, one.record.model.digest)
    )
