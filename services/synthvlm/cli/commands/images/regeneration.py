"""Making a stored image again: the request, and the profile to send it to."""

import json

from google.protobuf import json_format

from synthvlm.client import DatasetClient
from synthvlm.dataset.v1 import dataset_pb2
from synthvlm.errors import DataCorrupt
from synthvlm.generation.v1 import generation_pb2
from synthvlm.profiles import profile_names

FALLBACK_PROFILE = "mini"
"""For images that are in no version: nothing is known about their run."""


def profile_of(image: dataset_pb2.GetImageResponse, client: DatasetClient) -> str:
    """The shipped profile whose run published the image, or the fallback.

    A profile from a user's own file is recorded by name only, and cannot be found again.
    """
    if not image.versions:
        return FALLBACK_PROFILE
    version = client.get_version(dataset_pb2.GetVersionRequest(version=image.versions[0]))
    run = json.loads(version.manifest_json)["configuration"]["run"]
    name = str(run.get("profile", ""))
    return name if name in profile_names() else FALLBACK_PROFILE


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
