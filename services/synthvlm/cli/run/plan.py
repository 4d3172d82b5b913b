"""The plan of a run: the pipeline's arguments, and the configuration that the version records."""

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from synthvlm import __version__
from synthvlm.alignment.v1 import alignment_pb2
from synthvlm.caption.v1 import caption_pb2
from synthvlm.client import AlignmentClient, CaptionClient, GenerationClient
from synthvlm.generation.v1 import generation_pb2
from synthvlm.local.words import RUN
from synthvlm.profiles import load_profile
from synthvlm.storage import file_digest
from synthvlm_pipelines.requests import StageRequests

_DECIDING = ("caption", "generation", "alignment", "dataset")
"""Sections of a profile that decide a version's content."""


class Callees(Protocol):
    """The services of a run, wherever they run."""

    def connect(self, word: str) -> grpc.Channel:
        """A channel from this process to the service ``word``."""

    def address(self, word: str) -> str:
        """Where the pipeline's steps reach the service ``word``."""


@dataclass(frozen=True)
class RunPlan:
    """A planned run.

    Attributes:
        configuration: What decides the version's content, and nothing else (no folder, no time).
        arguments: The pipeline's arguments, by name.
    """

    configuration: dict[str, Any]
    arguments: dict[str, Any]


def plan_run(wanted: StageRequests, services: Callees, profile: str, store_uri: str) -> RunPlan:
    """Asks the services for their models and parameters, and writes everything down.

    Args:
        wanted: What the user asked for; unset parameters take the profile's values.
        services: The services that the run will call.
        profile: The profile that they run: a shipped one's name, or a file.
        store_uri: The run's object store.

    Raises:
        InvalidInput: The recipe is wrong; this is checked before any file is read.
        DomainError: A service does not answer.
    """
    with CaptionClient(services.connect("caption")) as caption:
        caption.evaluate_captions(
            caption_pb2.EvaluateCaptionsRequest(
                captions=[caption_pb2.Caption(text="any")], recipe_yaml=wanted.curate.recipe_yaml
            )
        )
    with GenerationClient(services.connect("generation")) as generation:
        generator = generation.get_model(generation_pb2.GetModelRequest())
    with AlignmentClient(services.connect("alignment")) as alignment:
        scorer = alignment.get_model(alignment_pb2.GetModelRequest())
    requests = complete(wanted, generator, scorer, store_uri)
    configuration = configuration_of(requests, profile_digest(profile), generator.numerics)
    requests.assemble.configuration_json = json.dumps(
        configuration, sort_keys=True, ensure_ascii=False
    )
    arguments = {
        **{f"{word}_address": services.address(word) for word in RUN},
        **requests.arguments(),
        "caption_file_digests": [_digest(file) for file in requests.import_captions.files],
        "code_version": __version__,
        "store_uri": store_uri,
        "profile": Path(profile).stem,
    }
    return RunPlan(configuration, arguments)


def complete(
    wanted: StageRequests,
    generator: generation_pb2.GetModelResponse,
    scorer: alignment_pb2.GetModelResponse,
    store_uri: str,
) -> StageRequests:
    """The requests as sent: with the store, the models and every parameter."""
    requests = copy.deepcopy(wanted)
    requests.set_store(store_uri)
    requests.generate.model_digest = generator.model_digest
    requests.score.model_digest = scorer.model_digest
    _complete_parameters(requests.generate.parameters, generator.parameters)
    _complete_parameters(requests.score.parameters, scorer.parameters)
    return requests


def configuration_of(
    requests: StageRequests, profile: str, numerics: Mapping[str, str]
) -> dict[str, Any]:
    """What decides the version's content.

    It is part of the version's identity, so its keys stay the same even if a request's field is
    renamed.

    Args:
        requests: The complete requests.
        profile: Digest of the profile: a copy of it under another name decides the same.
        numerics: What the last bit of an image depends on besides model and request.
    """
    imported, generated, scored = requests.import_captions, requests.generate, requests.score
    rule = requests.select.rule
    limit = rule.WhichOneof("limit")
    within = {"strata": _json(rule.strata)} if rule.HasField("strata") else {}
    return {
        "profile": profile,
        "code_version": __version__,
        "import": {"shard_size": imported.shard_size},
        "curation": {"recipe": requests.curate.recipe_yaml},
        "generation": {
            # Not the engine: engines of equal numerics give the same bytes.
            "model_digest": generated.model_digest,
            "numerics": dict(sorted(numerics.items())),
            "parameters": _json(generated.parameters),
            "repeats": generated.repeats,
            "seed": generated.run_seed,
        },
        "alignment": {"model_digest": scored.model_digest, "parameters": _json(scored.parameters)},
        "selection": {limit: getattr(rule, limit), **within} if limit else {},
    }


def profile_digest(profile: str) -> str:
    """``sha256:`` digest of what a profile says of the services, whatever its file is called.

    What it says of training and evaluation decides nothing of a version.

    Raises:
        InvalidInput: There is no such profile, or it is damaged.
    """
    # Dates and the like, which YAML knows and JSON does not, go by their text.
    sections = load_profile(profile).sections
    deciding = {word: sections[word] for word in _DECIDING if word in sections}
    content = json.dumps(deciding, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def _complete_parameters(wanted: Message, profile: Message) -> None:
    """Gives the parameters that are unset the profile's values."""
    complete = copy.deepcopy(profile)
    complete.MergeFrom(wanted)
    wanted.CopyFrom(complete)


def _digest(file: str) -> str:
    """Digest of a local file. Of a remote one only the URL is known, which stands in for it."""
    if "://" in file:
        return f"sha256:{hashlib.sha256(file.encode()).hexdigest()}"
    return file_digest(Path(file))


def _json(message: Message) -> dict[str, Any]:
    content: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return content
