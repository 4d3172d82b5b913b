"""The JSON bodies that the page's script sends, validated against the limits in the proto."""

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from synthvlm.review.campaigns.views import Entry
from synthvlm.review.verdicts import Alignment, Preference, Reason, Verdict
from synthvlm.serving.fields import Utf8

MAX_ENTRIES = 50
"""Most entries of a body."""

_DAY_MS = 86_400_000

PairId = Annotated[int, Field(ge=1, lt=2**63)]
EntryId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]

_REASONS = {reason.name.lower(): reason for reason in Reason}


def _reason(name: str) -> str:
    if name not in _REASONS:
        raise ValueError("is not a reason")
    return name


ReasonName = Annotated[str, AfterValidator(_reason)]

M = TypeVar("M", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class LeaseBody(_Body):
    """How many pairs a page wants to hold."""

    count: Annotated[int, Field(ge=1, le=100)]


class VerdictEntry(_Body):
    """A verdict."""

    kind: Literal["verdict"]
    id: EntryId
    pair: PairId
    alignment: Literal["yes", "partly", "no"] | None = None
    preference: Literal["left", "right", "equal"] | None = None
    reasons: Annotated[list[ReasonName], Field(max_length=len(Reason))] = []
    quality: Annotated[int, Field(ge=0, le=5)] = 0
    comment: Annotated[str, Utf8(2000)] = ""
    milliseconds: Annotated[int, Field(ge=0)] = 0

    def entry(self) -> Entry:
        """The verdict in the domain's terms."""
        verdict = Verdict(
            alignment=Alignment[self.alignment.upper()] if self.alignment else None,
            reasons=frozenset(_REASONS[name] for name in self.reasons),
            quality=self.quality or None,
            preference=Preference[self.preference.upper()] if self.preference else None,
            comment=self.comment,
        )
        return Entry(self.pair, self.id, verdict, min(self.milliseconds, _DAY_MS))


class RetractEntry(_Body):
    """Takes a verdict back."""

    kind: Literal["retract"]
    id: EntryId
    pair: PairId

    def entry(self) -> Entry:
        """The same in the domain's terms."""
        return Entry(self.pair, self.id, None)


class SkipEntry(_Body):
    """Gives a pair back."""

    kind: Literal["skip"]
    id: EntryId
    pair: PairId


class EntriesBody(_Body):
    """What an annotator did, in order."""

    entries: Annotated[
        list[Annotated[VerdictEntry | RetractEntry | SkipEntry, Field(discriminator="kind")]],
        Field(min_length=1, max_length=MAX_ENTRIES),
    ]


async def read_body(model: type[M], request: Request) -> M:
    """The body of a request.

    Raises:
        HTTPException: It is not what the script sends; 400.
    """
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise HTTPException(400, f"{where}: {first['msg']}") from None
