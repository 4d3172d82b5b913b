"""The index of a run's images."""

from synthvlm.dataset.best import SelectionRule
from synthvlm.dataset.selection import select
from synthvlm.progress import SILENT
from synthvlm.storage import open_shard
from synthvlm.storage.schemas import IMAGE_INDEX, IMAGE_INDEX_FILE
from tests.dataset.shards import Scored, chain_of, image_id


def test_it_holds_each_image_once_in_the_order_of_the_ids(store) -> None:
    texts = [f"{number} cats" for number in range(40)]
    chains = [chain_of(store, [Scored(text, 0, 0.5, 0.5)]) for text in texts]
    index = select(store, chains, SelectionRule(top_k=1), SILENT).index
    rows = open_shard(store, index).table(IMAGE_INDEX_FILE, IMAGE_INDEX).to_pydict()
    assert rows["image_id"] == sorted(image_id(text, 0) for text in texts)
    assert sorted(rows["chain"]) == list(range(len(texts)))
