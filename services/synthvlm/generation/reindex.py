"""``python -m synthvlm.generation.reindex``: fills the index of images from what stores hold.

For an index that was lost, or images that were made without one. The settings are those of the
service; every root of ``store_roots`` is read. Images that could not be made are not entered.
"""

import sys

from synthvlm.generation.image_set import KIND
from synthvlm.generation.made_images import images_of
from synthvlm.generation.service import SERVICE
from synthvlm.reuse.index import ImageIndex
from synthvlm.reuse.reindexing import reindex, run
from synthvlm.storage import Store
from synthvlm.storage.made import MadeIndex


def fill(index: MadeIndex, store: Store) -> int:
    """Enters the images of a store; how many they are."""
    return reindex(index, store, KIND, ["captions"], lambda shard, of: images_of(shard, *of))


if __name__ == "__main__":
    sys.exit(run(SERVICE, sys.argv[1:], ImageIndex, fill))
