"""What each stage learns from, put together from the settings."""

import math
from pathlib import Path
from typing import Any

from synthvlm.errors import InvalidInput
from synthvlm.storage import canonical_json, file_digest, sha256_digest
from synthvlm.training.collate import Collator
from synthvlm.training.conversation import TEMPLATES
from synthvlm.training.encoder import Encoder
from synthvlm.training.mixture import Mixture
from synthvlm.training.sampler import GlobalOrder
from synthvlm.training.samples import EncodedSamples, VersionPairs
from synthvlm.training.settings import FINETUNE, PRETRAIN, StageSettings, TrainingSettings
from synthvlm.training.trainer import StageData

_SHIPPED = Path(__file__).parent / "mixtures"


def load_mixture(name_or_path: str) -> Mixture:
    """Reads a mixture.

    Args:
        name_or_path: A shipped one's name, or a YAML file.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is not a mixture.
    """
    shipped = sorted(path.stem for path in _SHIPPED.glob("*.yaml"))
    if name_or_path in shipped:
        return Mixture.from_yaml(_SHIPPED / f"{name_or_path}.yaml")
    if not name_or_path.endswith((".yaml", ".yml")):
        raise InvalidInput(
            f"there is no mixture {name_or_path!r}; give one of {', '.join(shipped)}, or a YAML "
            f"file"
        )
    return Mixture.from_yaml(Path(name_or_path))


def mixture_digest(mixture: Mixture) -> str:
    """Digest of a mixture and of its files. Pictures count by the names that the files give them.

    Raises:
        NotFound: A file does not exist.
    """
    content = mixture.model_dump(mode="json")
    for source, given in zip(content["sources"], mixture.sources, strict=True):
        del source["images"]
        source["file"] = None if given.file is None else file_digest(given.file)
    return sha256_digest(canonical_json(content))


def stage_steps(settings: TrainingSettings, name: str, pairs: VersionPairs) -> int:
    """Steps of a stage: as many as it says, or as its epochs of the pairs need."""
    own = settings.stage(name)
    return own.steps or math.ceil((own.epochs or 0) * len(pairs) / own.global_batch)


def stage_data(
    settings: TrainingSettings,
    name: str,
    pairs: VersionPairs,
    mixture: Mixture,
    processor: Any,
    tokens_per_image: int,
) -> StageData:
    """The samples of a stage, their order from its beginning, and what makes batches of them.

    Args:
        settings: How they are written and grouped.
        name: The stage.
        pairs: The dataset version.
        mixture: What stage 2 takes besides, or instead.
        processor: Tokenizer and image processor.
        tokens_per_image: Tokens that stand for an image.

    Raises:
        InvalidInput: A source cannot be opened.
        NotFound: A file does not exist.
    """
    own = settings.stage(name)
    steps = stage_steps(settings, name, pairs)
    end = steps * own.global_batch
    seed = settings.seed + (PRETRAIN, FINETUNE).index(name)
    encoder = Encoder(
        processor.tokenizer, tokens_per_image, TEMPLATES[own.template], settings.max_length
    )
    collate = Collator(
        processor.tokenizer.pad_token_id,
        processor.image_processor,
        "pad" if own.pad_images else "crop",
        settings.max_length if own.packed else None,
        settings.attention,
    )
    if name == PRETRAIN:
        order = _order(own, len(pairs), seed, end, lengths=pairs.lengths)
        return StageData(EncodedSamples(pairs, encoder), order, collate)
    mixed = mixture.draw(pairs, samples=end, seed=seed, global_batch=own.global_batch)
    order = _order(own, len(mixed), seed, end, lengths=mixed.lengths, groups=mixed.groups)
    return StageData(EncodedSamples(mixed, encoder), order, collate)


def _order(own: StageSettings, length: int, seed: int, end: int, **grouping: Any) -> GlobalOrder:
    return GlobalOrder(
        length, seed, own.global_batch, end=end, **(grouping if own.by_length else {})
    )
