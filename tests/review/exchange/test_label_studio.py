"""Tasks of Label Studio: the round trip, what its format cannot hold, and bad files."""

import json
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthvlm.errors import InvalidInput
from synthvlm.review.exchange import entries, label_studio
from synthvlm.review.exchange.entries import RecordedVerdict
from synthvlm.review.exchange.label_studio import Shown, as_tasks, from_tasks, labelling_config

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WORDS = st.sampled_from(["yes", "partly", "no"])


def shown(image_id: str) -> Shown:
    return Shown(f"https://images.example/{image_id}")


@st.composite
def campaigns(draw):
    """What stands in a campaign of two pairs, without what the format cannot hold."""
    entries = []
    for image in ("i1", "i2"):
        caption, expected = draw(TEXT), draw(st.none() | WORDS)
        for name in draw(st.sets(st.sampled_from(["ann", "bob@example.com", "clip"]), min_size=1)):
            is_model = name == "clip"
            entries.append(
                RecordedVerdict(
                    image_id=image,
                    caption=caption,
                    annotator=name,
                    is_model=is_model,
                    alignment=draw(WORDS),
                    reasons=draw(st.sets(st.sampled_from(["colour", "unsafe"]))),
                    quality=draw(st.none() | st.integers(1, 5)),
                    preference=draw(st.none() | st.sampled_from(["source", "equal"])),
                    comment=draw(TEXT),
                    duration_ms=0 if is_model else draw(st.integers(0, 86_400_000)),
                    record_time=0 if is_model else draw(st.integers(0, 2_000_000_000)),
                    expected=expected,
                )
            )
    return entries


def sorted_by_name(entries):
    return sorted(entries, key=lambda entry: (entry.image_id, entry.annotator))


@settings(max_examples=40, deadline=None)
@given(campaigns())
def test_a_round_trip_loses_nothing(entries) -> None:
    content, lost = as_tasks(entries, shown)
    found = from_tasks(content)
    assert sorted_by_name(found.entries) == sorted_by_name(entries)
    assert lost == found.notices == []
    assert as_tasks(reversed(found.entries), shown)[0] == content


def one(**fields) -> RecordedVerdict:
    return RecordedVerdict(
        **{"image_id": "i", "caption": "a cat", "annotator": "ann", "alignment": "yes", **fields}
    )


def test_a_task_has_the_fields_of_the_format() -> None:
    entries = [
        one(reasons=["count"], quality=4, comment="why", duration_ms=1500, record_time=86400),
        one(annotator="clip", is_model=True, alignment="no"),
    ]
    (task,) = json.loads(as_tasks(entries, shown)[0])
    assert task["id"] == 1
    assert task["data"] == {
        "image": "https://images.example/i",
        "image_id": "i",
        "caption": "a cat",
    }
    (annotation,) = task["annotations"]
    assert annotation["lead_time"] == 1.5
    assert annotation["created_at"] == "1970-01-02T00:00:00+00:00"
    results = {r["from_name"]: (r["to_name"], r["type"], r["value"]) for r in annotation["result"]}
    assert results == {
        "alignment": ("image", "choices", {"choices": ["yes"]}),
        "reasons": ("image", "choices", {"choices": ["count"]}),
        "quality": ("image", "rating", {"rating": 4}),
        "comment": ("image", "textarea", {"text": ["why"]}),
        "annotator": ("image", "textarea", {"text": ["ann"]}),
    }
    (prediction,) = task["predictions"]
    assert prediction["model_version"] == "clip"
    assert prediction["result"][0]["value"] == {"choices": ["no"]}


def test_what_the_format_cannot_hold_is_said() -> None:
    entries = [
        one(request_id="r1"),
        one(stands=False, alignment="no"),
        one(stands=False, retracted=True),
        one(annotator="clip", is_model=True, record_time=7),
    ]
    content, lost = as_tasks(entries, shown)
    assert lost == [
        "left out: 2 entries that were changed or taken back",
        "left out: 1 ids of requests",
        "left out: 1 times of models' verdicts",
    ]
    assert len(from_tasks(content).entries) == 2


@pytest.mark.parametrize("compared", [True, False])
def test_the_configuration_names_all_that_tasks_hold(compared) -> None:
    view = ET.fromstring(labelling_config(compared=compared))
    names = {element.get("name") for element in view}
    entry = one(reasons=["count"], quality=4, comment="why", preference="equal")
    pair = Shown("l", "r") if compared else Shown("l")
    (task,) = json.loads(as_tasks([entry], lambda _: pair)[0])
    values = {str(element.get("value"))[1:] for element in view if element.get("value")}
    assert values == set(task["data"]) - {"image_id"}
    asked = {result["from_name"] for result in task["annotations"][0]["result"]}
    assert asked - names == {"alignment" if compared else "preference"}


def exported(annotations=(), predictions=(), **data) -> bytes:
    data = {"image_id": "i", "caption": "a cat", "image": "/data/i.png", **data}
    task = {"id": 7, "data": data, "annotations": annotations, "predictions": predictions}
    return json.dumps([task]).encode()


def annotation(word="yes", name="alignment", **fields):
    result = {"id": "x", "from_name": name, "to_name": "image", "type": "choices"}
    return {"id": 1, "result": [{**result, "value": {"choices": [word]}}], **fields}


def test_users_of_label_studio_get_names() -> None:
    content = exported(
        [
            annotation(completed_by=3),
            annotation(completed_by={"id": 4, "email": "eva@example.com", "last_name": "Kim"}),
            annotation(completed_by={"id": 5}),
        ],
        [{"model_version": "org/vlm 7b", "score": 0.7, "result": annotation("no")["result"]}],
    )
    found = from_tasks(content)
    names = [entry.annotator for entry in found.entries]
    assert names == ["user-3", "eva@example.com", "user-5", "org-vlm-7b"]
    assert [entry.is_model for entry in found.entries] == [False, False, False, True]
    assert found.notices == ["left out: 1 scores of predictions"]


def test_of_several_annotations_of_a_user_the_last_stands() -> None:
    content = exported(
        [
            annotation("no", completed_by=3, created_at="2026-11-02T10:00:00Z"),
            annotation("yes", completed_by=3, created_at="2026-11-01T10:00:00.123456+00:00"),
        ]
    )
    found = [(entry.alignment, entry.stands) for entry in from_tasks(content).entries]
    assert found == [("yes", False), ("no", True)]


def test_a_ground_truth_is_the_right_answer_for_all() -> None:
    content = exported(
        [annotation("no", completed_by=3, ground_truth=True), annotation(completed_by=4)]
    )
    found = [(entry.alignment, entry.expected) for entry in from_tasks(content).entries]
    assert found == [("no", "no"), ("yes", "no")]


def test_what_is_left_out_is_counted() -> None:
    skipped = annotation(completed_by=3, was_cancelled=True)
    boxes = annotation(completed_by=4)
    boxes["result"].append({"from_name": "box", "type": "rectanglelabels", "value": {"x": 1}})
    found = from_tasks(exported([skipped, boxes]))
    assert len(found.entries) == 1
    assert found.notices == ["left out: 1 results of 'box'", "left out: 1 skipped annotations"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a JSON export of Label Studio"),
        (b"{}", "should be a valid array"),
        (b"[" * 100_000, "not a JSON export of Label Studio"),
        (b"\xff\xfe[]", "not a JSON export of Label Studio"),
    ],
)
def test_what_is_no_export_is_refused(content, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        from_tasks(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[{"data": {"image": "x"}}]', r"data\.image_id: Field required"),
        (b"[7]", "valid dictionary"),
        (exported([annotation()]), "it has an annotation without annotator"),
        (exported([annotation("maybe", completed_by=1)]), "alignment: .*'partly'"),
        (exported([annotation("ugly", "reasons", completed_by=1)]), "reasons: 'ugly' is not one"),
        (exported([{"result": [], "completed_by": 1}]), "needs an alignment or a preference"),
        (exported([annotation(completed_by=1, lead_time=-1)]), r"annotations\.0\.lead_time"),
        (
            exported([{"result": [{"from_name": "alignment", "value": {}}], "completed_by": 1}]),
            "alignment: .*'partly'",
        ),
    ],
)
def test_a_wrong_task_is_put_in_quarantine_and_the_others_are_read(content, reason) -> None:
    both = json.loads(content) + json.loads(exported([annotation(completed_by=9)], image_id="j"))
    read = from_tasks(json.dumps(both).encode())
    assert [entry.image_id for entry in read.entries] == ["j"]
    (found,) = read.quarantine
    assert found.place == "task 1"
    assert re.search(reason, found.reason)


def test_files_are_bounded(monkeypatch) -> None:
    content = json.dumps(json.loads(exported()) * 3).encode()
    monkeypatch.setattr(label_studio, "MAX_TASKS", 2)
    with pytest.raises(InvalidInput, match="more than 2 tasks"):
        from_tasks(content)
    monkeypatch.setattr(entries, "MAX_BYTES", 10)
    with pytest.raises(InvalidInput, match="larger than 0 MiB"):
        from_tasks(content)
