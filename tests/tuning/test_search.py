"""Times of cells, and the folder of a search."""

from synthvlm.caption.v1.caption_pb2 import ImportCaptionsRequest
from synthvlm.storage.v1 import shard_pb2
from synthvlm.tuning.run import TuneRequest, tune_folder
from synthvlm.tuning.search import Clock, Timings
from tests.tuning.cells import FAST, SLOW

FILES = ImportCaptionsRequest(files=["/a.txt"])


def test_only_new_images_are_timed():
    clock = Clock()
    clock.heard(shard_pb2.ShardProgress(done=0, total=10))
    clock.heard(shard_pb2.ShardProgress(done=8, total=10, resumed=8))
    assert clock.seconds() is None
    clock.heard(shard_pb2.ShardProgress(done=10, total=10, resumed=8))
    assert clock.made == 2
    assert clock.seconds() >= 0


def test_times_are_kept_by_cell(tmp_path):
    Timings(tmp_path / "seconds.json").keep(FAST, 0.25)
    again = Timings(tmp_path / "seconds.json")
    assert (again.get(FAST), again.get(SLOW)) == (0.25, None)


def test_the_same_request_has_the_same_folder(tmp_path):
    request = TuneRequest(FILES, "", [FAST], 10, 0, "clip_score")
    assert tune_folder(tmp_path, request, "mini") == tune_folder(tmp_path, request, "mini")
    other = TuneRequest(FILES, "", [SLOW], 10, 0, "clip_score")
    assert tune_folder(tmp_path, other, "mini") != tune_folder(tmp_path, request, "mini")
    laid_out = ImportCaptionsRequest(files=["/a.txt"])
    laid_out.layout.delimiter = ";"
    for files in (laid_out, ImportCaptionsRequest(files=["/a.txt"], column="text")):
        changed = TuneRequest(files, "", [FAST], 10, 0, "clip_score")
        assert tune_folder(tmp_path, changed, "mini") != tune_folder(tmp_path, request, "mini")
