"""Making a stored image again: the request, and the profile to send it to."""

import json

from google.protobuf import json_format

from synthvlm.cli.run.plan import profile_digest
from synthvlm.client import DatasetClient
from synthvlm.dataset.v1 import dataset_pb2
from synthvlm.errors import DataCorrupt
from synthvlm.generation.v1 import generation_pb2
from synthvlm.profiles import profile_names

FALLBACK_PROFILE = "mini"
"""For images that are in no version: nothing is known about their run."""


def profile_of(image: dataset_pb2.GetImageResponse, client: DatasetClient) -> str:
    """The shipped profile whose run published the image, or the fallback.

    A version knows its profile by its digest, so one in a file of the user's own is not found.
    """
    if not image.versions:
        return FALLBACK_PROFILE
    version = client.get_version(dataset_pb2.GetVersionRequest(version=image.versions[0]))
    run = json.loads(version.manifest_json)["configuration"]["run"]
    shipped = {profile_digest(name): name for name in profile_names()}
    return shipped.get(str(run.get("profile", "")), FALLBACK_PROFILE)


def generation_request(image: dataset_pb2.GetImageResponse) -> generation_pb2.GenerateImageRequest:
    """The request for the image, with everything that determined it.

    Raises:
        DataCorrupt: The record of its generation is damaged.
    """
    try:
        recorded = json.loads(image.generation_json)
        parameters = json_format.ParseDict(
            recorded["configuration"]["sampling"], generation_pb2.SamplingParameters()
        )
    except (KeyError, ValueError, json_format.ParseError) as error:
        raise DataCorrupt(f"the record of image {image.image_id} is damaged: {error}") from error
    formats = {
        "image/jpeg": generation_pb2.IMAGE_FORMAT_JPEG,
        "image/png": generation_pb2.IMAGE_FORMAT_PNG,
        "image/webp": generation_pb2.IMAGE_FORMAT_WEBP,
    }
    return generation_pb2.GenerateImageRequest(
        prompt=image.caption,
        seed=image.seed,
        parameters=parameters,
        format=formats[image.media_type],
    )
