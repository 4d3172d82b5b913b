"""Types of the fields of the review service's requests, with the limits in the proto."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from synthvlm.serving.fields import Matches, violation

CampaignId = Annotated[str, Matches("[0-9a-f]{16}", "a campaign's id: 16 hexadecimal digits")]
PairId = Annotated[int, Field(ge=1, le=2**63 - 1)]
EntryId = Annotated[str, Matches("[A-Za-z0-9._-]{1,64}", "1 to 64 characters of [A-Za-z0-9._-]")]


def or_default(low: float, high: float, default: float) -> AfterValidator:
    """A number between two others, or 0 for the default."""

    def checked(value: float) -> float:
        if value and not low <= value <= high:
            raise violation(f"must be {low:g} to {high:g}, or 0 for {default:g}")
        return value or default

    return AfterValidator(checked)


Confidence = Annotated[float, or_default(0.5, 0.999, 0.95)]
GoldAnswers = Annotated[int, Field(ge=0, le=1_000_000)]


def member(prefix: str) -> BeforeValidator:
    """Takes the prefix of the proto's enum off; a number that it does not know stays as it is."""
    return BeforeValidator(
        lambda value: value.removeprefix(f"{prefix}_") if isinstance(value, str) else value
    )


AlignmentName = Annotated[Literal["UNSPECIFIED", "YES", "PARTLY", "NO"], member("ALIGNMENT")]
PreferenceName = Annotated[Literal["UNSPECIFIED", "LEFT", "RIGHT", "EQUAL"], member("PREFERENCE")]
ReasonName = Annotated[
    Literal[
        "WRONG_OBJECT",
        "COLOUR",
        "COUNT",
        "RELATION",
        "TEXT_ARTEFACT",
        "UNSAFE",
        "PRIVATE_DATA",
    ],
    member("REASON"),
]
SideName = Annotated[Literal["UNSPECIFIED", "LEFT", "RIGHT"], member("SIDE")]
DesignName = Annotated[
    Literal["UNSPECIFIED", "SIMPLE", "STRATIFIED", "BORDERLINE_FIRST"], member("SAMPLE_DESIGN")
]
