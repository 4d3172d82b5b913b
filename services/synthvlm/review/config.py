"""Settings of the review service; the profile's section ``review`` holds the same keys."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from synthvlm.review.web.settings import WebSettings
from synthvlm.serving.section import SettingsSection
from synthvlm.serving.settings import ServiceSettings
from synthvlm.sql.settings import DatabaseSettings, DatabaseUrl


class SecondOpinionSettings(SettingsSection):
    """A model that judges the pairs of open campaigns, too; its verdicts count as nobody's."""

    engine: Literal["none", "oracle", "endpoint"] = "none"
    """oracle reads images of the scene world, and skips captions in another language than its own;
    endpoint asks a vision-language model behind an OpenAI-compatible API."""
    base_url: str = ""
    """Where the API is, for example http://vllm:8000/v1."""
    model: str = ""
    """The model's name there; its verdicts are recorded under it."""
    token_file: Path | None = None
    """File with the bearer token of the API; null: none is sent."""
    timeout_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 120.0
    """How long the model may take for an answer."""

    @model_validator(mode="after")
    def _is_complete(self) -> "SecondOpinionSettings":
        if self.engine == "endpoint":
            if not self.base_url.startswith(("http://", "https://")):
                raise ValueError("the engine endpoint needs base_url, an http:// or https:// URL")
            if not self.model:
                raise ValueError("the engine endpoint needs model, the model's name there")
        return self


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
    second_opinion: SecondOpinionSettings = SecondOpinionSettings()
    """A model that judges pairs, too."""
    max_item_calls: Annotated[int, Field(ge=1)] = 32
    """Calls that run at the same time."""
    max_queued_calls: Annotated[int, Field(ge=0)] = 512
    """Calls of each kind that wait; further ones are told to come again."""

    @model_validator(mode="after")
    def _people_are_known(self) -> "ReviewSettings":
        self.web.require_sign_in(self.token_file or self.people_file)
        return self
