"""What a run is to do: the pipeline's arguments, and the configuration that the version records."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from synthvlm import __version__
from synthvlm.alignment.v1 import alignment_pb2
from synthvlm.caption.v1 import caption_pb2
from synthvlm.cli.inputs import RunRequest
from synthvlm.client import AlignmentClient, CaptionClient, GenerationClient, connect
from synthvlm.generation.v1 import generation_pb2
from synthvlm.local.services import Services
from synthvlm.local.words import WORDS
from synthvlm.storage import file_digest, file_uri


@dataclass(frozen=True)
class RunPlan:
    """A run, planned.

    Attributes:
        configuration: What decides the version's content, and nothing else (no folder, no time).
        arguments: The pipeline's arguments.
    """

    configuration: dict[str, Any]
    arguments: dict[str, Any]


def plan_run(request: RunRequest, services: Services, profile_name: str, store: Path) -> RunPlan:
    """Asks the services for their models and parameters, and writes everything down.

    Raises:
        InvalidInput: The recipe is wrong: better said now than after the files have been read.
        DomainError: A service does not answer.
    """
    with CaptionClient(connect(services.address("caption"))) as caption:
        caption.evaluate_captions(
            caption_pb2.EvaluateCaptionsRequest(
                captions=[caption_pb2.Caption(text="any")], recipe_yaml=request.recipe
            )
        )
    with GenerationClient(connect(services.address("generation"))) as generation:
        generator = generation.get_model(generation_pb2.GetModelRequest())
    with AlignmentClient(connect(services.address("alignment"))) as alignment:
        scorer = alignment.get_model(alignment_pb2.GetModelRequest())
    sampling, scoring = _json(generator.parameters), _json(scorer.parameters)
    configuration = {
        "profile": profile_name,
        "code_version": __version__,
        "import": {"column": request.column, "shard_size": request.shard_size},
        "curation": {"recipe": request.recipe},
        "generation": {
            # Not the engine: engines of equal numerics give the same bytes.
            "model_digest": generator.model_digest,
            "numerics": dict(sorted(generator.numerics.items())),
            "parameters": sampling,
            "repeats": request.repeats,
            "seed": request.seed,
        },
        "alignment": {"model_digest": scorer.model_digest, "parameters": scoring},
        "selection": request.rule,
    }
    arguments = {
        **{f"{word}_address": services.address(word) for word in WORDS},
        "store_uri": file_uri(store),
        "caption_files": request.captions,
        "caption_file_digests": [_digest(file) for file in request.captions],
        "dataset_name": request.name,
        "selection_rule": json.dumps(request.rule),
        "code_version": __version__,
        "column": request.column,
        "recipe_yaml": request.recipe,
        "pool_shard_size": request.shard_size,
        "repeats": request.repeats,
        "run_seed": str(request.seed),
        "sampling_parameters": json.dumps(sampling),
        "generation_model_digest": generator.model_digest,
        "score_parameters": json.dumps(scoring),
        "alignment_model_digest": scorer.model_digest,
        "configuration": json.dumps(configuration, sort_keys=True),
    }
    return RunPlan(configuration, arguments)


def _digest(file: str) -> str:
    """Digest of a local file; a remote one goes by its URL, which is all that is known of it."""
    if "://" in file:
        return f"sha256:{hashlib.sha256(file.encode()).hexdigest()}"
    return file_digest(Path(file))


def _json(message: Message) -> dict[str, Any]:
    content: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return content
