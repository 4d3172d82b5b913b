"""What a campaign is about, as people write it: a version, or a shard's folder in the store."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from synthvlm.cli.failures import WrongUsageError
from synthvlm.dataset.v1 import dataset_pb2
from synthvlm.errors import NotFound
from synthvlm.local.clients import dataset_client
from synthvlm.local.home import Home
from synthvlm.review.v1 import review_pb2
from synthvlm.storage import ShardRef, Store, committed_shards, is_safe_path, open_store
from synthvlm.storage.manifest import read_manifest

_REAL = "real-set"
_KINDS = ("selection", "dataset", "reviews", _REAL)


def named_shard(home: Home, text: str, option: str) -> ShardRef:
    """The shard that a text names.

    Args:
        home: Whose store and catalogue.
        text: ``NAME``, ``NAME@3``, or the folder of a shard: ``selection/3f2a…``.
        option: Where the text was given, for errors.

    Raises:
        WrongUsageError: There is no such shard.
    """
    if "/" not in text:
        with dataset_client(home) as client:
            request = dataset_pb2.GetVersionRequest(version=text)
            version = client.get_version(request).summary
        return ShardRef(version.path, version.digest, version.pairs)
    return shard_at(open_store(home.store_location), text, option)


def shard_at(store: Store, text: str, option: str) -> ShardRef:
    """The shard in a folder of a store.

    Args:
        store: Where it is.
        text: Its folder: ``selection/3f2a…``; a set of real images also by its name,
            ``real-set/photos``.
        option: Where the text was given, for errors.

    Raises:
        WrongUsageError: There is no such shard, or several sets have the name.
    """
    if text.partition("/")[0] not in _KINDS or not is_safe_path(text):
        raise WrongUsageError(
            f"{option} {text}: give NAME, NAME@3, or a folder of the store like selection/3f2a…"
        )
    try:
        manifest = read_manifest(store, text)
    except NotFound:
        named = _real_sets(store, text)
        if len(named) == 1:
            return named[0]
        if named:
            listed = ", ".join(ref.path for ref in named)
            problem = f"several sets have this name; give one of {listed}"
        else:
            problem = f"there is no such shard in {store.uri}"
        raise WrongUsageError(f"{option} {text}: {problem}") from None
    return ShardRef(text, manifest.digest, manifest.records)


def _real_sets(store: Store, text: str) -> list[ShardRef]:
    """The sets of real images that are called ``real-set/NAME``."""
    kind, _, name = text.partition("/")
    if kind != _REAL:
        return []
    return [
        ref
        for ref, manifest in committed_shards(store, _REAL)
        if manifest.configuration["name"] == name
    ]


class _Gold(BaseModel):
    """A line of a file of gold questions."""

    model_config = ConfigDict(extra="forbid", strict=True)

    image_id: str
    aligned: bool
    caption: str = ""


def gold_questions(file: Path) -> list[review_pb2.GoldQuestion]:
    """The gold questions of a JSON Lines file.

    A line has ``image_id``, ``aligned`` and, where another caption than the image's own is to be
    shown, ``caption``.

    Raises:
        WrongUsageError: The file cannot be read, or a line is wrong.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsageError(f"--gold {file} cannot be read: {error}") from None
    questions = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            one = _Gold.model_validate_json(line)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(map(str, problem["loc"])) or "the line"
            raise WrongUsageError(
                f"--gold {file}, line {number}: {where}: {problem['msg']}; give "
                f'{{"image_id": "…", "aligned": true}}, and "caption" if another one is to be shown'
            ) from None
        alignment = "ALIGNMENT_YES" if one.aligned else "ALIGNMENT_NO"
        questions.append(
            review_pb2.GoldQuestion(image_id=one.image_id, alignment=alignment, caption=one.caption)
        )
    return questions
