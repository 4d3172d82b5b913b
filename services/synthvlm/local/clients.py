"""Clients for a few calls, with the services that they need."""

from collections.abc import Iterator
from contextlib import contextmanager

from synthvlm.client import CaptionClient, DatasetClient, GenerationClient, ReviewClient
from synthvlm.local.home import Home
from synthvlm.local.services import needed_services
from synthvlm.local.words import REVIEW


@contextmanager
def caption_client(home: Home) -> Iterator[CaptionClient]:
    """A client of the caption service."""
    with (
        needed_services(home, ["caption"], "mini") as services,
        CaptionClient(services.connect("caption")) as client,
    ):
        yield client


@contextmanager
def dataset_client(home: Home) -> Iterator[DatasetClient]:
    """A client of the dataset service."""
    with (
        needed_services(home, ["dataset"], "mini") as services,
        DatasetClient(services.connect("dataset")) as client,
    ):
        yield client


@contextmanager
def exporting_client(home: Home, root: str) -> Iterator[DatasetClient]:
    """A client of a dataset service of its own, which may export to ``root`` and nowhere else.

    It writes where the user wants the files, so that they are written once.
    """
    further = ["--export-roots", root]
    with (
        needed_services(home, ["dataset"], "mini", further=further) as services,
        DatasetClient(services.connect("dataset")) as client,
    ):
        yield client


@contextmanager
def generation_client(home: Home, profile: str) -> Iterator[GenerationClient]:
    """A client of a generation service that runs ``profile``."""
    with (
        needed_services(home, ["generation"], profile) as services,
        GenerationClient(services.connect("generation")) as client,
    ):
        yield client


@contextmanager
def review_client(home: Home) -> Iterator[ReviewClient]:
    """A client of the review service, as an owner."""
    with (
        needed_services(home, [REVIEW], "mini") as services,
        ReviewClient(services.connect(REVIEW)) as client,
    ):
        yield client
