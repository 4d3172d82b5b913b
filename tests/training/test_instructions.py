"""LLaVA's instruction files: checked when they are opened, read record by record."""

import json

import pytest
from PIL import Image

from synthvlm.errors import DataCorrupt, InvalidInput, NotFound
from synthvlm.training.conversation import Turn
from synthvlm.training.instructions import LlavaRecords

RECORDS = [
    {
        "id": 7,
        "image": "coco/a.png",
        "conversations": [
            {"from": "human", "value": "what?\n<image>"},
            {"from": "gpt", "value": "a star"},
        ],
        "model": "other keys are left alone",
    },
    {
        "id": "t",
        "conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}],
    },
    {"image": "b.png", "conversations": [{"from": "gpt", "value": "é"}]},
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images" / "coco").mkdir(parents=True)
    Image.new("RGB", (6, 4)).save(tmp_path / "images/coco/a.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "images/b.png")
    (tmp_path / "secret.png").write_bytes(b"x")
    (tmp_path / "data.json").write_text(json.dumps(RECORDS), encoding="utf-8")
    return tmp_path


def test_records_with_pictures(folder):
    records = LlavaRecords(folder / "data.json", folder / "images")
    assert [records[number].id for number in range(len(records))] == ["7", "2"]
    assert records[0].image.size == (6, 4)
    assert records[0].conversation == [
        Turn("user", "what?\n<image>"),
        Turn("assistant", "a star"),
    ]
    assert records[1].conversation == [Turn("assistant", "é")]
    assert records.lengths.tolist() == [19, 1]
    with pytest.raises(IndexError):
        records[2]


def test_records_without(folder):
    records = LlavaRecords(folder / "data.json", None)
    assert [sample.id for sample in records] == ["t"]
    assert records[0].image is None


@pytest.mark.parametrize(
    ("content", "error", "problem"),
    [
        ("[{", InvalidInput, "not JSON"),
        ('[{"conversations": []} 1]', InvalidInput, "at least 1 item"),
        ("[1, 2", InvalidInput, "record 0"),
        ("{}", InvalidInput, "not a list"),
        ('[{"id": "x"}]', InvalidInput, "record 0 of .*conversations"),
        ('[{"conversations": [{"from": "me", "value": ""}]}]', InvalidInput, "from"),
        ("[]", InvalidInput, "no records with pictures"),
        (
            '[{"image": "c.png", "conversations": [{"from": "gpt", "value": ""}]}]',
            NotFound,
            "c.png",
        ),
        (
            '[{"image": "../secret.png", "conversations": [{"from": "gpt", "value": ""}]}]',
            InvalidInput,
            "not below",
        ),
    ],
)
def test_every_record_is_checked_at_first(folder, content, error, problem):
    (folder / "bad.json").write_text(content)
    with pytest.raises(error, match=problem):
        LlavaRecords(folder / "bad.json", folder / "images")


def test_lists_that_are_not_ended(folder):
    for content in ('[{"conversations": [{"from": "gpt", "value": "x"}]}', "[", ""):
        (folder / "bad.json").write_text(content)
        with pytest.raises(InvalidInput, match=r"not JSON|not a list"):
            LlavaRecords(folder / "bad.json", None)


@pytest.mark.parametrize("indent", [None, 1])
def test_letters_of_any_kind(folder, indent):
    records = [
        {"conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": text}]}
        for text in ('"quoted" \\', "é ü 語 😀", "\u2028]},")
    ]
    for ascii_only in (True, False):
        text = json.dumps(records, ensure_ascii=ascii_only, indent=indent)
        (folder / "texts.json").write_text(text, encoding="utf-8")
        read = LlavaRecords(folder / "texts.json", None)
        assert [sample.conversation[0].text for sample in read] == [
            record["conversations"][0]["value"] for record in records
        ]


def test_a_file_that_changes(folder):
    records = LlavaRecords(folder / "data.json", None)
    (folder / "data.json").write_text("[]")
    with pytest.raises(DataCorrupt, match="has changed"):
        records[0]


def test_a_file_that_is_not_there(folder):
    with pytest.raises(NotFound, match=r"none\.json does not exist"):
        LlavaRecords(folder / "none.json", None)


def test_a_picture_that_cannot_be_read(folder):
    (folder / "images/b.png").write_bytes(b"no picture")
    with pytest.raises(DataCorrupt, match="sample 2"):
        LlavaRecords(folder / "data.json", folder / "images")[1]
