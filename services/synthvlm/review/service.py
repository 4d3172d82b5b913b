"""Builds the review service from its settings."""

from synthvlm.review.callers import callers
from synthvlm.review.config import ReviewSettings, SecondOpinionSettings
from synthvlm.review.migrations import MIGRATIONS, VERSION_TABLE
from synthvlm.review.requests import MAX_REQUEST_BYTES
from synthvlm.review.reviews import Reviews
from synthvlm.review.second_opinion.model_worker import ModelWorker
from synthvlm.review.second_opinion.opinion import SecondOpinion
from synthvlm.review.servicer import ReviewServicer
from synthvlm.review.v1 import review_pb2, review_pb2_grpc
from synthvlm.review.web.hosting import Page
from synthvlm.serving import Service
from synthvlm.sql.database import open_database


def build(settings: ReviewSettings) -> ReviewServicer:
    """Opens the database, starts the model if there is one, and returns a servicer."""
    model = load_model(settings.second_opinion)
    reviews = Reviews(open_database(settings, MIGRATIONS, VERSION_TABLE), settings.store_roots)
    return ReviewServicer(reviews, None if model is None else ModelWorker(reviews, model))


def load_model(settings: SecondOpinionSettings) -> SecondOpinion | None:
    """The model that the settings name, if they name one.

    Raises:
        OSError: The token's file cannot be read.
    """
    if settings.engine == "oracle":
        from synthvlm.review.second_opinion.engines.oracle import Oracle

        return Oracle()
    if settings.engine == "endpoint":
        from synthvlm.review.second_opinion.engines.chat_endpoint import ChatEndpoint

        file = settings.token_file
        token = None if file is None else file.read_text(encoding="utf-8").strip()
        return ChatEndpoint(settings.base_url, settings.model, token, settings.timeout_seconds)
    return None


def close(servicer: ReviewServicer) -> None:
    """Stops the model and closes the database."""
    if servicer.worker is not None:
        servicer.worker.stop()
    servicer.reviews.close()


def page(settings: ReviewSettings) -> Page:
    """The page on which people judge pairs."""
    known = callers(settings)
    return Page(settings.web, None if known is None else known.people)


SERVICE = Service(
    word="review",
    settings=ReviewSettings,
    descriptor=review_pb2.DESCRIPTOR.services_by_name["ReviewService"],
    register=review_pb2_grpc.add_ReviewServiceServicer_to_server,
    uses=frozenset(
        {
            "GetCampaign",
            "ListCampaigns",
            "ListMyVerdicts",
            "ListDisagreements",
            "GetProgress",
            "GetStatistics",
            "GetImage",
        }
    ),
    build=build,
    max_request_bytes=MAX_REQUEST_BYTES,
    close=close,
    callers=callers,
    beside=page,
)
