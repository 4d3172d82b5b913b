"""Settings of the review service; the profile's section ``review`` holds the same keys."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from synthvlm.review.web.settings import WebSettings
from synthvlm.serving.settings import ServiceSettings
from synthvlm.sql.settings import DatabaseSettings, DatabaseUrl


class ReviewSettings(DatabaseSettings, ServiceSettings):
    """Settings of the review service."""

    database: DatabaseUrl = "sqlite:///.synthvlm/review.sqlite"
    """Campaigns and verdicts: sqlite:///FILE (sqlite:////FILE for an absolute path) or
    postgresql://USER@HOST:PORT/NAME."""
    people_file: Path | None = None
    """File of those who may call with a token of their own, one `NAME ROLE SHA256` a line: ROLE is
    model, annotator, adjudicator or owner, SHA256 the digest of the token. Read again when it
    changes. Null: whoever may call is an owner named operator."""
    web: WebSettings = WebSettings()
    """The page on which people judge pairs."""
    max_queued_calls: Annotated[int, Field(ge=0)] = 512
    """Calls of each kind that wait; further ones are told to come again."""

    @model_validator(mode="after")
    def _people_are_known(self) -> "ReviewSettings":
        self.web.require_sign_in(self.token_file or self.people_file)
        return self
