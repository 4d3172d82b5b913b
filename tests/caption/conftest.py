"""A real store, the whole file system to read from, and caption files of every kind."""

import pytest

from synthvlm.caption.locations import Locations
from synthvlm.caption.readers import Format, Layout, Notices, find_caption_file, read_records
from synthvlm.storage import file_location, open_store


@pytest.fixture
def store(tmp_path):
    return open_store(file_location(tmp_path / "store"))


@pytest.fixture
def anywhere():
    return Locations(["/"])


@pytest.fixture
def caption_file(tmp_path, anywhere):
    """Writes a caption file."""

    def write(name, data, form=None):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return find_caption_file(str(path), anywhere, form=form and Format(form))

    return write


@pytest.fixture
def read(caption_file):
    """The records of a file with the given name and bytes."""

    def records(name, data, column="", notices=None, form=None, **layout):
        file = caption_file(name, data, form)
        layout = Layout(column, **layout)
        return list(read_records(file, layout, Notices(name) if notices is None else notices))

    return records
