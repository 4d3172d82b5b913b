"""Builds the dataset service from its settings."""

from synthvlm.dataset.catalogue import Catalogue
from synthvlm.dataset.config import DatasetSettings
from synthvlm.dataset.migrations import MIGRATIONS
from synthvlm.dataset.provenance import Maker, working_copy_revision
from synthvlm.dataset.requests import MAX_REQUEST_BYTES
from synthvlm.dataset.servicer import DatasetServicer
from synthvlm.dataset.v1 import dataset_pb2, dataset_pb2_grpc
from synthvlm.errors import DataCorrupt
from synthvlm.serving import Service
from synthvlm.sql.database import open_database


def open_catalogue(settings: DatasetSettings) -> Catalogue:
    """Opens the catalogue named in the settings and migrates its schema.

    Raises:
        Unavailable: The database cannot be reached.
        DataCorrupt: Its file is damaged, or not a database.
    """
    try:
        return Catalogue(open_database(settings, MIGRATIONS))
    except DataCorrupt as error:
        raise DataCorrupt(
            f"{settings.database}: {error.message}; `python -m synthvlm.dataset.reindex` fills a "
            f"new catalogue from what the stores hold"
        ) from error


def maker(settings: DatasetSettings) -> Maker:
    """The software of this process."""
    return Maker(git_revision=settings.git_revision or working_copy_revision())


def build(settings: DatasetSettings) -> DatasetServicer:
    """Opens the catalogue and returns a servicer for it."""
    return DatasetServicer(settings, open_catalogue(settings), maker(settings))


def close(servicer: DatasetServicer) -> None:
    """Closes the catalogue."""
    servicer.catalogue.close()


SERVICE = Service(
    word="dataset",
    settings=DatasetSettings,
    descriptor=dataset_pb2.DESCRIPTOR.services_by_name["DatasetService"],
    register=dataset_pb2_grpc.add_DatasetServiceServicer_to_server,
    uses=frozenset({"ListVersions", "GetVersion", "DiffVersions", "GetImage"}),
    build=build,
    max_request_bytes=MAX_REQUEST_BYTES,
    close=close,
)
