"""The folder of an export: given to other libraries, and on a disk that is full."""

import json

import datasets
import pandas
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from synthvlm.dataset.exports.reserved import ExportFormat
from synthvlm.errors import OutOfSpace
from synthvlm.progress import SILENT
from synthvlm.storage import file_location, open_store
from tests.dataset.exporting import contents, export_version, version_of


@pytest.fixture
def version(store):
    return version_of(store)


class TestReadersOfAFolder:
    """Readers that are given the export's folder read it: nothing in it stops them."""

    @pytest.fixture
    def folder(self, version, tmp_path, request):
        export_version(version, request.param, open_store(file_location(tmp_path / "out")), SILENT)
        return tmp_path / "out"

    @pytest.mark.parametrize("folder", [ExportFormat.PARQUET], indirect=True)
    def test_of_parquet(self, folder, tmp_path):
        data = folder / "data"
        assert len(pandas.read_parquet(data)) == 9
        assert pyarrow.dataset.dataset(data).count_rows() == 9
        assert pq.read_table(data).num_rows == 9
        for given in ({"path": "parquet", "data_dir": str(folder)}, {"path": str(folder)}):
            loaded = datasets.load_dataset(**given, cache_dir=str(tmp_path / "cache"))
            assert loaded["train"].num_rows == 9

    @pytest.mark.parametrize("folder", [ExportFormat.WEBDATASET], indirect=True)
    def test_of_webdataset(self, folder, tmp_path):
        for given in ({"path": "webdataset", "data_dir": str(folder)}, {"path": str(folder)}):
            loaded = datasets.load_dataset(**given, cache_dir=str(tmp_path / "cache"))
            assert loaded["train"].num_rows == 9
            assert {"jpg", "json", "txt"} <= set(loaded["train"].features)

    @pytest.mark.parametrize("folder", [ExportFormat.LLAVA], indirect=True)
    def test_of_llava(self, folder, tmp_path):
        cache = str(tmp_path / "cache")
        images = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=cache)
        assert images["train"].num_rows == 9
        records = datasets.load_dataset(
            "json", data_files=str(folder / "dataset.json"), cache_dir=cache
        )
        assert records["train"].num_rows == 9


@pytest.mark.parametrize("form", list(ExportFormat))
@pytest.mark.parametrize("kib", [8, 12, 16, 24, 32, 40, 48, 56, 64, 76])
def test_a_full_disk_says_so_and_the_same_again_finishes(version, tmp_path, form, kib, small_disk):
    expected = open_store(file_location(tmp_path / "expected"))
    export_version(version, form, expected, SILENT)
    disk = small_disk(kib)
    target = open_store(file_location(disk.path / "out"))
    try:
        export_version(version, form, target, SILENT)
    except OutOfSpace as error:
        assert f"no space left on the disk of {disk.path}" in error.message
        assert "\n" not in error.message
        record = disk.path / "out" / "__synthvlm__" / "export.json"
        if record.exists():
            assert not json.loads(record.read_text() or "{}").get("complete")
    disk.enlarge()
    export_version(version, form, target, SILENT)
    assert contents(target) == contents(expected)
