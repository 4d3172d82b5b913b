"""The whole chain of shard calls on a handful of captions, through the typed clients."""

from dataclasses import dataclass
from pathlib import Path

from synthvlm.alignment.v1 import alignment_pb2 as alignment
from synthvlm.caption.v1 import caption_pb2 as caption
from synthvlm.client import (
    AlignmentClient,
    CaptionClient,
    DatasetClient,
    GenerationClient,
    connect,
)
from synthvlm.dataset.v1 import dataset_pb2 as dataset
from synthvlm.generation.v1 import generation_pb2 as generation
from synthvlm.storage.v1 import shard_pb2 as shard

CAPTIONS = (
    "a small red circle on a white background",
    "a large blue square on a yellow background",
    "a green triangle to the left of a purple circle",
    "two orange squares on a gray background",
)


@dataclass(frozen=True)
class Made:
    """What the chain made."""

    captions_file: Path
    store: shard.ShardStore
    imported: caption.ImportResult
    curated: caption.CurateResult
    generated: generation.GenerateResult
    scored: alignment.ScoreResult
    selected: dataset.SelectResult
    versions: list[dataset.VersionSummary]


def make_dataset(addresses: dict[str, str], state: Path) -> Made:
    """Publishes two versions of the dataset ``shapes``: of the best two and the best three pairs.

    Args:
        addresses: Of the services, by word.
        state: Folder that the services may write below.
    """
    file = state / "captions.txt"
    file.write_text("".join(f"{text}\n" for text in CAPTIONS), encoding="utf-8")
    store = shard.ShardStore(uri=(state / "store").as_uri())
    with connect(addresses["caption"]) as channel:
        client = CaptionClient(channel)
        imported = client.import_captions(
            caption.ImportCaptionsRequest(store=store, files=[str(file)])
        )
        (pool,) = imported.shards
        curated = client.curate_shard(caption.CurateShardRequest(store=store, pool=pool))
    with connect(addresses["generation"]) as channel:
        generated = GenerationClient(channel).generate_shard(
            generation.GenerateShardRequest(
                store=store, caption_set=curated.caption_set, repeats=2, run_seed=1
            )
        )
    with connect(addresses["alignment"]) as channel:
        scored = AlignmentClient(channel).score_shard(
            alignment.ScoreShardRequest(
                store=store, caption_set=curated.caption_set, image_set=generated.image_set
            )
        )
    chain = dataset.ShardChain(
        caption_set=curated.caption_set,
        image_set=generated.image_set,
        score_set=scored.score_set,
    )
    versions = []
    with connect(addresses["dataset"]) as channel:
        publisher = DatasetClient(channel)
        for best in (2, 3):
            selected = publisher.select(
                dataset.SelectRequest(
                    store=store, shards=[chain], rule=dataset.SelectionRule(top_k=best)
                )
            )
            versions.append(
                publisher.assemble(
                    dataset.AssembleRequest(
                        store=store, selection=selected.selection, name="shapes"
                    )
                )
            )
    return Made(file, store, imported, curated, generated, scored, selected, versions)
