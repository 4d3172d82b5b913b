"""Builds the caption service from its settings."""

from synthvlm.caption.config import CaptionSettings
from synthvlm.caption.locations import Locations
from synthvlm.caption.recipe import load_recipe
from synthvlm.caption.requests import MAX_REQUEST_BYTES
from synthvlm.caption.rules import judge
from synthvlm.caption.servicer import CaptionServicer
from synthvlm.caption.v1 import caption_pb2, caption_pb2_grpc
from synthvlm.serving import Service


def build(settings: CaptionSettings) -> CaptionServicer:
    """Reads the recipe and makes the character tables."""
    locations = Locations([*settings.caption_roots, *settings.store_roots])
    recipe = load_recipe(settings.recipe, locations)
    judge(recipe.rules, ["a first caption, for which the tables are made"])
    return CaptionServicer(settings, locations, recipe)


SERVICE = Service(
    word="caption",
    settings=CaptionSettings,
    descriptor=caption_pb2.DESCRIPTOR.services_by_name["CaptionService"],
    register=caption_pb2_grpc.add_CaptionServiceServicer_to_server,
    uses=frozenset({"EvaluateCaptions", "EvaluateFile"}),
    build=build,
    max_request_bytes=MAX_REQUEST_BYTES,
)
