"""Trained models in the object store: found by what decides them, and never trained twice."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

import synthvlm
from synthvlm.errors import DataCorrupt, NotFound
from synthvlm.model_folders import model_digest
from synthvlm.storage import Commit, ShardKey, ShardRef, Store, committed_shards, open_shard
from synthvlm.storage.digests import sealed, unsealed
from synthvlm.training.curve import CURVE, CURVE_FILE
from synthvlm.training.settings import TrainingSettings

KIND = "models"
"""First part of the path of every trained model."""

CODE_VERSION = 1
"""Raised whenever this code trains another model from the same data and settings."""

PROVENANCE = "provenance.json"
"""Beside the manifest: when the model was made, and by which software."""


class Provenance(BaseModel):
    """When a model was made, and by which software; not a part of its identity.

    Attributes:
        create_time: Seconds since the Unix epoch.
        seconds: How long its last attempt took.
        software_version: Version of the package.
        profile: Name of the profile.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    create_time: float
    seconds: float
    software_version: str = synthvlm.__version__
    profile: str = ""


@dataclass(frozen=True)
class TrainedModel:
    """A committed model.

    Attributes:
        ref: Its folder in the store, and its digest.
        details: What its manifest says of its training.
        provenance: When it was made; None if nobody has noted it.
    """

    ref: ShardRef
    details: Mapping[str, Any]
    provenance: Provenance | None


def model_key(
    settings: TrainingSettings,
    base: tuple[Path, Path],
    dataset_digest: str,
    mixture_digest: str,
) -> ShardKey:
    """What decides a trained model, and so where it lies.

    Args:
        settings: How it is trained.
        base: Folders of the vision tower and the language model.
        dataset_digest: Digest of the dataset version.
        mixture_digest: Digest of what else stage 2 learns from.
    """
    return ShardKey(
        kind=KIND,
        inputs={"dataset": dataset_digest, "mixture": mixture_digest},
        configuration={**settings.decisive(), "numerics": settings.numerics()},
        model_digest=model_digest(*base),
        code_version=CODE_VERSION,
    )


def find_model(store: Store, key: ShardKey) -> TrainedModel | None:
    """The model of this key, if it is trained.

    Raises:
        DataCorrupt: Its manifest is damaged.
    """
    ref = Commit(store, key).find()
    return None if ref is None else _opened(store, ref)


def commit_model(
    store: Store,
    key: ShardKey,
    folder: Path,
    details: Mapping[str, Any],
    provenance: Provenance,
    beside: Mapping[str, bytes],
) -> TrainedModel:
    """Commits a folder that transformers has written.

    Args:
        store: Where to.
        key: Its key.
        folder: Its files, none of them in a folder of its own.
        details: For its manifest: the same whenever the training is repeated.
        provenance: When it was made.
        beside: Files that differ from one repetition to the next, by name.

    Raises:
        DataCorrupt: The same key was committed with other bytes.
    """
    files = {file.name: file for file in sorted(folder.iterdir())}
    samples = sum(stage["samples"] for stage in details["stages"])
    ref = Commit(store, key).finish(files, records=samples, details=details)
    for name, data in beside.items():
        store.write(f"{ref.path}/{name}", data)
    store.write(f"{ref.path}/{PROVENANCE}", sealed(provenance.model_dump()))
    return _opened(store, ref)


def last_model(store: Store) -> TrainedModel | None:
    """The model that was made last; None if there is none.

    Raises:
        DataCorrupt: A manifest is damaged.
    """
    models = [_opened(store, ref) for ref, _ in committed_shards(store, KIND)]
    return max(models, key=_create_time, default=None)


def download_model(store: Store, ref: ShardRef, folder: Path) -> Path:
    """Copies a model into ``folder``, every byte checked, and returns ``folder``.

    Raises:
        NotFound: There is no such model.
        DataCorrupt: It is damaged.
    """
    shard = open_shard(store, ref)
    for entry in shard.manifest.files:
        shard.download(entry.name, folder)
    return folder


def open_curve(store: Store, model: TrainedModel) -> pa.Table:
    """The loss curve of a model: a table of the schema ``curve.CURVE``.

    Raises:
        DataCorrupt: It is damaged.
    """
    return open_shard(store, model.ref).table(CURVE_FILE, CURVE)


def _opened(store: Store, ref: ShardRef) -> TrainedModel:
    return TrainedModel(ref, open_shard(store, ref).manifest.details, _provenance(store, ref.path))


def _create_time(model: TrainedModel) -> float:
    return 0.0 if model.provenance is None else model.provenance.create_time


def _provenance(store: Store, path: str) -> Provenance | None:
    try:
        return Provenance.model_validate(unsealed(store.read(f"{path}/{PROVENANCE}")))
    except NotFound:
        return None
    except ValueError as error:
        raise DataCorrupt(f"{path}/{PROVENANCE} in {store.uri} is damaged; delete it") from error


def made_now(began: float, profile: str) -> Provenance:
    """The provenance of a model that is finished now.

    Args:
        began: When its training began, on the monotonic clock.
        profile: Name of the profile.
    """
    return Provenance(create_time=time.time(), seconds=time.monotonic() - began, profile=profile)
