"""One campaign of scenes for all tests without a browser."""

import pytest

from tests.review.web.site import make_reviews


@pytest.fixture(scope="session")
def campaign(tmp_path_factory):
    """The service's logic and the campaign's id."""
    reviews, campaign_id = make_reviews(tmp_path_factory.mktemp("site"))
    yield reviews, campaign_id
    reviews.close()
