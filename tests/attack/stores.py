"""A finished store in which a byte has flipped, and the calls that meet it."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import grpc
from google.protobuf.message import Message

from synthvlm.alignment.v1 import alignment_pb2 as alignment
from synthvlm.caption.v1 import caption_pb2 as caption
from synthvlm.dataset.v1 import dataset_pb2 as dataset
from synthvlm.generation.v1 import generation_pb2 as generation
from tests.attack.rpcs import Call
from tests.attack.target import Outcome, Target
from tests.attack.valid import in_store

STAGES: Sequence[tuple[str, str, Any, str, str]] = [
    ("caption", "CurateShard", caption.CurateShardResponse, "caption_set", "captions"),
    ("generation", "GenerateShard", generation.GenerateShardResponse, "image_set", "images"),
    ("alignment", "ScoreShard", alignment.ScoreShardResponse, "score_set", "scores"),
    ("dataset", "Select", dataset.SelectResponse, "selection", "selection"),
]
"""Of each stage its service, its call, its answer, what that refers to, and the shard's folder."""

_KINDS = ["pool", *(folder for *_, folder in STAGES)]


@dataclass(frozen=True)
class Damage:
    """A byte that flips, and the shards that have to be made again from what is there."""

    path: str
    position: int
    bit: int
    gone: str


class Copy:
    """A copy of a finished store, mended after each attempt."""

    def __init__(self, store: Path, folder: Path) -> None:
        shutil.copytree(store, folder)
        self._folder = folder
        self._files = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.relative_to(folder).parts[0].startswith(".")
        }

    @property
    def uri(self) -> str:
        """Its URI as a store."""
        return self._folder.as_uri()

    def damage(self, random: Random) -> Damage:
        """Flips a bit somewhere, and removes a shard or none."""
        kind = random.choice(_KINDS[:-1])
        path = random.choice([path for path in self._files if path.startswith(f"{kind}/")])
        data = bytearray(self._files[path])
        position, bit = random.randrange(len(data)), random.randrange(8)
        data[position] ^= 1 << bit
        (self._folder / path).write_bytes(data)
        # What was made of the damaged shard, so that this is read again.
        gone = _KINDS[_KINDS.index(kind) + 1] if random.randrange(3) else ""
        if gone:
            shutil.rmtree(self._folder / gone)
        return Damage(path, position, bit, gone)

    def mend(self) -> None:
        """Makes it what it was."""
        shutil.rmtree(self._folder)
        for path, data in self._files.items():
            (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / path).write_bytes(data)


def shard_call(word: str, call: str, valid: Mapping[str, Message], uri: str) -> Call:
    """The call of a stage, in another store."""
    request = in_store(valid[f"{word.capitalize()}Service.{call}"], uri)
    path = f"/synthvlm.{word}.v1.{word.capitalize()}Service/{call}"
    return Call(path, (request.SerializeToString(),))


def run(services: Mapping[str, Target], valid: Mapping[str, Message], uri: str) -> list[Outcome]:
    """Calls of all stages, as a run that is repeated makes them; ends with the first that fails."""
    outcomes = []
    for word, name, *_ in STAGES:
        call = shard_call(word, name, valid, uri)
        outcomes.append(call.send(services[word]))
        if outcomes[-1].code is not grpc.StatusCode.OK:
            break
    return outcomes


def made(outcomes: Sequence[Outcome]) -> list[Message]:
    """The references to shards in the answers of ``run``."""
    refs: list[Message] = []
    for outcome, (_, _, answer, name, _) in zip(outcomes, STAGES, strict=False):
        if outcome.code is grpc.StatusCode.OK:
            refs.append(getattr(answer.FromString(outcome.answers[-1]).result, name))
    return refs
