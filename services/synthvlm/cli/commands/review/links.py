"""Where people judge the pairs of a campaign on this machine."""

from dataclasses import dataclass
from pathlib import Path

from synthvlm.local.home import Home
from synthvlm.local.services import attach
from synthvlm.local.words import REVIEW


@dataclass(frozen=True)
class Page:
    """The page of a running service.

    Attributes:
        address: Where it is.
        token_file: File with the owner's token.
    """

    address: str
    token_file: Path | None

    def campaign(self, campaign_id: str) -> str:
        """Address of a campaign."""
        return f"{self.address}/campaigns/{campaign_id}"

    def link(self, campaign_id: str) -> str:
        """Address that also signs the owner in; browsers send nobody what stands behind the #."""
        if self.token_file is None:
            return self.campaign(campaign_id)
        token = self.token_file.read_text("utf-8").strip()
        return f"{self.address}/sign-in?next=/campaigns/{campaign_id}#token={token}"

    def sign_in(self) -> str:
        """Address that signs the owner in and shows all campaigns."""
        if self.token_file is None:
            return self.address
        return self.invitation(self.token_file.read_text("utf-8").strip())

    def invitation(self, token: str) -> str:
        """Address that signs in whoever has a token."""
        return f"{self.address}/sign-in#token={token}"


def running_page(home: Home) -> Page | None:
    """The page, if `synthvlm up` serves it."""
    services = attach(home, [REVIEW])
    if services is None or not services.running[REVIEW].page:
        return None
    review = services.running[REVIEW]
    return Page(review.page, review.token_file or services.token_file)
