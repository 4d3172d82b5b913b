"""Verdicts as tasks of Label Studio, there and back.

A task is an image with its caption; an annotation holds a person's verdict, a prediction a model's,
and an annotation that is marked as ground truth the answer to a gold question. ``labelling_config``
is the configuration of the project that shows them.

The annotator's name is a field of each annotation: users of Label Studio are known by numbers of
its own. What its format cannot hold is left out, and both ways say what that was.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from synthvlm.errors import InvalidInput
from synthvlm.review.exchange.entries import (
    RecordedVerdict,
    VerdictFile,
    examined,
    first_problem,
    require_size,
)
from synthvlm.review.people import as_name
from synthvlm.review.verdicts import Alignment, Reason

MAX_TASKS: Final = 200_000
"""Most tasks in a file."""

_ALIGNMENTS: Final = tuple(alignment.name.lower() for alignment in Alignment)
_REASONS: Final = tuple(reason.name.lower() for reason in Reason)
_PREFERENCES: Final = ("source", "compared", "equal")
_KINDS: Final = {
    "alignment": "choices",
    "reasons": "choices",
    "preference": "choices",
    "quality": "rating",
    "comment": "textarea",
    "annotator": "textarea",
}


@dataclass(frozen=True)
class Shown:
    """Where Label Studio finds the images of a task.

    Attributes:
        image: URL of the image.
        compared: URL of the one that it is compared with; None: it is judged alone.
    """

    image: str
    compared: str | None = None


def labelling_config(*, compared: bool) -> str:
    """The labelling configuration of a project for these tasks, as XML."""
    fields = ["preference"] if compared else ["alignment"]
    choices = {"preference": _PREFERENCES, "alignment": _ALIGNMENTS, "reasons": _REASONS}
    lines = ["<View>", '  <Image name="image" value="$image"/>']
    if compared:
        lines.append('  <Image name="compared" value="$compared"/>')
    lines.append('  <Text name="caption" value="$caption"/>')
    for field in [*fields, "reasons"]:
        how = "multiple" if field == "reasons" else "single-radio"
        lines.append(f'  <Choices name="{field}" toName="image" choice="{how}">')
        lines += [f'    <Choice value="{word}"/>' for word in choices[field]]
        lines.append("  </Choices>")
    lines += [
        '  <Rating name="quality" toName="image" maxRating="5"/>',
        '  <TextArea name="comment" toName="image" maxSubmissions="1"/>',
        '  <TextArea name="annotator" toName="image" maxSubmissions="1"/>',
        "</View>",
    ]
    return "\n".join(lines) + "\n"


def as_tasks(
    entries: Iterable[RecordedVerdict], shown: Callable[[str], Shown]
) -> tuple[bytes, list[str]]:
    """Verdicts as a JSON file of tasks, by image.

    Args:
        entries: The verdicts.
        shown: Where the images of a task are, by the image's id.

    Returns:
        The file, and what its format cannot hold.
    """
    tasks: defaultdict[tuple[str, str], list[RecordedVerdict]] = defaultdict(list)
    lost: Counter[str] = Counter()
    for entry in entries:
        if not entry.stands or entry.retracted:
            lost["entries that were changed or taken back"] += 1
            continue
        tasks[entry.image_id, entry.caption].append(entry)
        lost["ids of requests"] += bool(entry.request_id)
        if entry.is_model:
            lost["times of models' verdicts"] += bool(entry.record_time or entry.duration_ms)
    made = [
        _task(number, shown(key[0]), sorted(tasks[key], key=lambda entry: entry.annotator))
        for number, key in enumerate(sorted(tasks), start=1)
    ]
    content = json.dumps(made, ensure_ascii=False, indent=1) + "\n"
    return content.encode(), _notices(lost)


def from_tasks(content: bytes) -> VerdictFile:
    """Reads a JSON file of tasks, as Label Studio exports it or ``as_tasks`` wrote it.

    Of several annotations of a user on a task the last one stands.

    Raises:
        InvalidInput: It is not such a file, or too large.
    """
    require_size(content)
    try:
        tasks = _LIST.validate_json(content)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]["msg"]
        raise InvalidInput(f"this is not a JSON export of Label Studio: {problem}") from error
    if len(tasks) > MAX_TASKS:
        raise InvalidInput(f"the file has more than {MAX_TASKS:,} tasks; export it in parts")
    lost: Counter[str] = Counter()
    found = examined(
        row for number, task in enumerate(tasks, 1) for row in _rows(task, number, lost)
    )
    return replace(found, notices=_notices(lost))


def _task(number: int, shown: Shown, entries: Sequence[RecordedVerdict]) -> dict[str, Any]:
    first = entries[0]
    data = {"image": shown.image, "image_id": first.image_id, "caption": first.caption}
    if shown.compared is not None:
        data["compared"] = shown.compared
    annotations = [_annotation(entry) for entry in entries if not entry.is_model]
    expected = next((entry.expected for entry in entries if entry.expected is not None), None)
    if expected is not None:
        annotations.append(
            {"result": [_result(first, "alignment", [expected], "gold")], "ground_truth": True}
        )
    for position, annotation in enumerate(annotations, start=1):
        # The format wants numbers; these are unique in the file.
        annotation["id"] = number * 1000 + position
    predictions = [
        {"model_version": entry.annotator, "result": _results(entry)}
        for entry in entries
        if entry.is_model
    ]
    return {"id": number, "data": data, "annotations": annotations, "predictions": predictions}


def _annotation(entry: RecordedVerdict) -> dict[str, Any]:
    made: dict[str, Any] = {
        "result": [*_results(entry), _result(entry, "annotator", [entry.annotator])],
        "was_cancelled": False,
        "ground_truth": False,
    }
    if entry.duration_ms:
        made["lead_time"] = entry.duration_ms / 1000
    if entry.record_time:
        made["created_at"] = datetime.fromtimestamp(entry.record_time, UTC).isoformat()
    return made


def _results(entry: RecordedVerdict) -> list[dict[str, Any]]:
    values: dict[str, Any] = {
        "alignment": entry.alignment and [entry.alignment],
        "preference": entry.preference and [entry.preference],
        "reasons": list(entry.reasons),
        "quality": entry.quality,
        "comment": entry.comment and [entry.comment],
    }
    return [_result(entry, field, value) for field, value in values.items() if value]


def _result(entry: RecordedVerdict, field: str, value: Any, role: str = "") -> dict[str, Any]:
    kind = _KINDS[field]
    name = "\n".join((entry.image_id, entry.caption, role or entry.annotator, field))
    return {
        "id": hashlib.sha256(name.encode()).hexdigest()[:10],
        "from_name": field,
        "to_name": "image",
        "type": kind,
        "value": {"text" if kind == "textarea" else kind: value},
    }


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Value(_Model):
    choices: list[str] = []
    rating: int | None = None
    text: list[str] | str = []


class _Result(_Model):
    from_name: str
    value: _Value


class _User(_Model):
    id: int | None = None
    email: str = ""


class _Annotation(_Model):
    result: list[_Result]
    completed_by: int | _User | None = None
    was_cancelled: bool = False
    ground_truth: bool = False
    lead_time: float | None = Field(default=None, ge=0, le=86_400)
    created_at: datetime | None = None


class _Prediction(_Model):
    result: list[_Result]
    model_version: str | None = None
    score: float | None = None


class _Data(_Model):
    image_id: str
    caption: str = ""


class _Task(_Model):
    data: _Data
    annotations: list[_Annotation] = []
    predictions: list[_Prediction] = []


_LIST: Final = TypeAdapter(list[Any])


def _rows(
    value: Any, number: int, lost: Counter[str]
) -> Iterator[tuple[str, Mapping[str, Any] | str]]:
    """The verdicts on a task as fields of ``RecordedVerdict``, or why there are none."""
    try:
        task = _Task.model_validate(value)
    except ValidationError as error:
        yield f"task {number}", first_problem(error)
        return
    expected = None
    rows: dict[str, dict[str, Any]] = {}
    earlier: list[dict[str, Any]] = []
    for annotation in sorted(task.annotations, key=_seconds):
        if annotation.was_cancelled:
            lost["skipped annotations"] += 1
            continue
        said = _fields(annotation.result, lost)
        if annotation.ground_truth:
            expected = said.get("alignment")
        name = said.pop("annotator", "") or _user(annotation.completed_by)
        if not name:
            if not annotation.ground_truth:
                yield f"task {number}", "it has an annotation without annotator and completed_by"
            continue
        if name in rows:
            earlier.append({**rows[name], "stands": False})
        rows[name] = {
            **said,
            "annotator": name,
            "duration_ms": round((annotation.lead_time or 0) * 1000),
            "record_time": _seconds(annotation),
        }
    for prediction in task.predictions:
        name = as_name(prediction.model_version or "model")
        lost["scores of predictions"] += prediction.score is not None
        said = _fields(prediction.result, lost)
        rows[f"model {name}"] = {**said, "annotator": name, "is_model": True}
    shared = {**task.data.model_dump(), "expected": expected}
    for row in (*earlier, *rows.values()):
        yield f"task {number}", {**row, **shared}


def _fields(results: Sequence[_Result], lost: Counter[str]) -> dict[str, Any]:
    """What the results of an annotation say."""
    said: dict[str, Any] = {}
    for result in results:
        field, value = result.from_name, result.value
        if field not in _KINDS:
            lost[f"results of {field!r}"] += 1
            continue
        if field == "quality":
            said[field] = value.rating
        elif field == "reasons":
            said[field] = tuple(value.choices)
        elif field in ("comment", "annotator"):
            said[field] = value.text if isinstance(value.text, str) else "\n".join(value.text)
        else:
            # Several choices are none of the words, and so the entry goes into quarantine.
            said[field] = value.choices[0] if len(value.choices) == 1 else value.choices
    return said


def _user(user: int | _User | None) -> str:
    """A name for a user of Label Studio: their address, or their number."""
    if isinstance(user, _User):
        return as_name(user.email) if user.email else _user(user.id)
    return "" if user is None else f"user-{user}"


def _seconds(annotation: _Annotation) -> int:
    made = annotation.created_at
    if made is None:
        return 0
    return int((made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp())


def _notices(lost: Counter[str]) -> list[str]:
    return [f"left out: {count:,} {what}" for what, count in sorted(lost.items()) if count]
