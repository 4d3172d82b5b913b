"""The request that makes a stored image again."""

import json

from google.protobuf import json_format

from synthvlm.dataset.v1 import dataset_pb2
from synthvlm.errors import DataCorrupt
from synthvlm.generation.v1 import generation_pb2


def generation_request(image: dataset_pb2.GetImageResponse) -> generation_pb2.GenerateImageRequest:
    """Everything that determined the image, as the request for one image.

    Raises:
        DataCorrupt: What was recorded of its generation is not understood.
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
