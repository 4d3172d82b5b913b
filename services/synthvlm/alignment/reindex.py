"""``python -m synthvlm.alignment.reindex``: fills the index of scores from what stores hold.

For an index that was lost, or scores that were made without one. The settings are those of the
service; every root of ``store_roots`` is read.
"""

import sys

from synthvlm.alignment.made_scores import scores_of
from synthvlm.alignment.score_set import KIND
from synthvlm.alignment.service import SERVICE
from synthvlm.reuse.index import ScoreIndex
from synthvlm.reuse.reindexing import reindex, run
from synthvlm.storage import Store
from synthvlm.storage.made import MadeIndex


def fill(index: MadeIndex, store: Store) -> int:
    """Enters the scores of a store; how many they are."""
    return reindex(
        index, store, KIND, ["images", "captions"], lambda shard, of: scores_of(shard, *of)
    )


if __name__ == "__main__":
    sys.exit(run(SERVICE, sys.argv[1:], ScoreIndex, fill))
