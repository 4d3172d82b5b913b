"""Verdicts as files hold them: what an entry may say, and which entries are put in quarantine."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from synthvlm.errors import InvalidInput
from synthvlm.limits import MAX_PROMPT_BYTES
from synthvlm.review.people import NAME
from synthvlm.review.verdicts import Reason

MAX_BYTES: Final = 16 << 20
"""Largest file that is read."""

MAX_ENTRIES: Final = 1_000_000
"""Most verdicts in a file."""

MAX_COMMENT_BYTES: Final = 2000

AlignmentWord = Literal["yes", "partly", "no"]
PreferenceWord = Literal["source", "compared", "equal"]

_REASONS: Final = tuple(reason.name.lower() for reason in Reason)


class RecordedVerdict(BaseModel):
    """An entry of a campaign: a row of ``VERDICTS``.

    Attributes:
        image_id: The image.
        caption: The caption that it was shown with.
        annotator: Who judged.
        is_model: Whether the annotator is a model.
        stands: Whether this is what the annotator says now.
        retracted: Whether this takes back what the annotator said before.
        alignment: Whether the image shows what the caption says.
        reasons: What is wrong, each once, in the order of ``Reason``.
        quality: How good the image is, 1 to 5.
        preference: Which image is better, in a comparison.
        comment: A comment.
        duration_ms: How long the annotator looked at the pair; 0: unknown.
        record_time: When it was recorded, in seconds since the Unix epoch; 0: unknown.
        request_id: Made by who submitted it.
        expected: The right answer to a gold question.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_id: str = Field(min_length=1, max_length=128)
    caption: str = ""
    annotator: str = Field(pattern=f"^{NAME}$")
    is_model: bool = False
    stands: bool = True
    retracted: bool = False
    alignment: AlignmentWord | None = None
    reasons: tuple[str, ...] = ()
    quality: int | None = Field(default=None, ge=1, le=5)
    preference: PreferenceWord | None = None
    comment: str = ""
    duration_ms: int = Field(default=0, ge=0, le=86_400_000)
    record_time: int = Field(default=0, ge=0, lt=1 << 40)
    request_id: str = Field(default="", max_length=64)
    expected: AlignmentWord | None = None

    @field_validator("reasons")
    @classmethod
    def _are_known(cls, reasons: tuple[str, ...]) -> tuple[str, ...]:
        for reason in reasons:
            if reason not in _REASONS:
                raise ValueError(f"{reason!r} is not one of {', '.join(_REASONS)}")
        return tuple(reason for reason in _REASONS if reason in reasons)

    @field_validator("caption", "comment")
    @classmethod
    def _is_short(cls, text: str, info: Any) -> str:
        most = MAX_COMMENT_BYTES if info.field_name == "comment" else MAX_PROMPT_BYTES
        if len(text.encode()) > most:
            raise ValueError(f"it has more than {most:,} bytes of UTF-8")
        return text

    @model_validator(mode="after")
    def _says_something(self) -> "RecordedVerdict":
        if self.alignment is None and self.preference is None and not self.retracted:
            raise ValueError("a verdict needs an alignment or a preference")
        if self.retracted and self.stands:
            raise ValueError("an entry that takes a verdict back needs stands = false")
        return self


@dataclass(frozen=True)
class Quarantined:
    """Part of a file that is not taken.

    Attributes:
        place: Where it is: ``record 3``.
        reason: Why.
    """

    place: str
    reason: str


@dataclass(frozen=True)
class VerdictFile:
    """What a file of verdicts holds.

    Attributes:
        entries: The verdicts.
        places: Where each of them is in the file.
        quarantine: What is not a verdict, and why.
        notices: What the file says besides, and is left out.
    """

    entries: Sequence[RecordedVerdict]
    places: Sequence[str]
    quarantine: Sequence[Quarantined]
    notices: Sequence[str] = field(default_factory=list)


def examined(
    rows: Iterable[tuple[str, Mapping[str, Any] | str]], notices: Sequence[str] = ()
) -> VerdictFile:
    """Validates what a file says.

    Args:
        rows: Places, with the fields of ``RecordedVerdict`` there, or why there are none.
        notices: What is left out.

    Raises:
        InvalidInput: There are more than ``MAX_ENTRIES``.
    """
    entries: list[RecordedVerdict] = []
    places: list[str] = []
    quarantine: list[Quarantined] = []
    standing: set[tuple[str, str, str]] = set()
    for place, row in rows:
        if len(entries) + len(quarantine) == MAX_ENTRIES:
            raise InvalidInput(f"the file has more than {MAX_ENTRIES:,} verdicts; split it")
        if isinstance(row, str):
            quarantine.append(Quarantined(place, row))
            continue
        try:
            entry = RecordedVerdict.model_validate(row)
        except ValidationError as error:
            quarantine.append(Quarantined(place, first_problem(error)))
            continue
        key = (entry.image_id, entry.caption, entry.annotator)
        if entry.stands and key in standing:
            reason = "the annotator has a verdict on this pair in the file already; of several, "
            quarantine.append(Quarantined(place, f"{reason}all but one need stands = false"))
            continue
        if entry.stands:
            standing.add(key)
        entries.append(entry)
        places.append(place)
    return VerdictFile(entries, places, quarantine, list(notices))


def require_size(content: bytes) -> None:
    """Returns if a file is not too large to be read.

    Raises:
        InvalidInput: It is.
    """
    if len(content) > MAX_BYTES:
        raise InvalidInput(f"the file is larger than {MAX_BYTES >> 20} MiB; split it")


def first_problem(error: ValidationError) -> str:
    """The first of what is wrong, after its place in what was validated."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    problem = first["msg"].removeprefix("Value error, ")
    return f"{where}: {problem}" if where else problem
