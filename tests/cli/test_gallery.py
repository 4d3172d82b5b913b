"""``synthvlm generate``: numbered images, each judged, and a sheet. A fake service draws them."""

import io
import json
import os
import random
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health, health_pb2_grpc
from PIL import Image

from synthvlm.cli import inputs
from synthvlm.cli.__main__ import run
from synthvlm.generation.v1 import generation_pb2, generation_pb2_grpc
from synthvlm.local.comparison import asked_settings
from synthvlm.local.home import Home
from synthvlm.scenes.render import render
from synthvlm.scenes.world import Scene, Thing

RED_ABOVE = Scene(
    "white", (Thing("circle", "red", "small", 32, 17), Thing("square", "blue", "small", 32, 47))
)
RED_BELOW = Scene(
    "white", (Thing("circle", "red", "small", 32, 47), Thing("square", "blue", "small", 32, 17))
)
PROMPT = "a small red circle above a blue square"


class Artist(generation_pb2_grpc.GenerationServiceServicer):
    """Draws what the prompt says for even seeds, the opposite for odd ones."""

    def __init__(self) -> None:
        self.requests: list[generation_pb2.GenerateImageRequest] = []

    def GenerateImage(
        self, request: generation_pb2.GenerateImageRequest, context: grpc.ServicerContext
    ) -> generation_pb2.GenerateImageResponse:
        self.requests.append(request)
        data = io.BytesIO()
        Image.fromarray(render(RED_BELOW if request.seed % 2 else RED_ABOVE)).save(data, "PNG")
        return generation_pb2.GenerateImageResponse(
            image=data.getvalue(), model_digest="sha256:0", media_type="image/png"
        )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The home that commands use."""
    place = Home(tmp_path_factory.mktemp("gallery") / "home")
    place.prepare()
    return place


@pytest.fixture(scope="module")
def settings(home: Home) -> dict[str, Any]:
    """Those of its generation service."""
    return asked_settings(home, "mini", ["generation"])["generation"]


@pytest.fixture
def artist(
    home: Home, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Artist]:
    """Its generation service."""
    drawing = Artist()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    generation_pb2_grpc.add_GenerationServiceServicer_to_server(drawing, server)
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    running = {"generation": {"address": address, "pid": os.getpid(), "settings": settings}}
    home.services_file.write_text(json.dumps({"profile": "mini", "running": running}))
    monkeypatch.setenv("SYNTHVLM_HOME", str(home.root))
    monkeypatch.chdir(tmp_path)
    yield drawing
    server.stop(None)


def test_images_are_numbered_judged_and_on_a_sheet(artist: Artist, capsys) -> None:
    assert run(["generate", PROMPT, "--count", "3", "--seed", "10", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    folder = Path("generated/a-small-red-circle-above-a-blue-square")
    assert [image["file"] for image in answer["images"]] == [
        str(folder / f"0{n}.png") for n in (1, 2, 3)
    ]
    assert [(image["seed"], image["true"]) for image in answer["images"]] == [
        (10, True),
        (11, False),
        (12, True),
    ]
    assert answer["images"][1]["reasons"] == ["the first is not above the second"]
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"0{n}.png" for n in (1, 2, 3)),
        "sheet.png",
    ]
    with Image.open(answer["images"][0]["file"]) as image:
        assert (np.asarray(image) == render(RED_ABOVE)).all()


def test_the_table_counts_true_images_and_says_where_the_sheet_is(artist: Artist, capsys) -> None:
    assert run(["generate", PROMPT, "--count", "4", "--out", "here"]) == 0
    shown = capsys.readouterr()
    assert "2 of 4 images are true to the prompt" in shown.out
    assert "here/sheet.png" in shown.out
    assert "confidence" in shown.out
    assert shown.err == ""


def test_options_reach_the_service(artist: Artist) -> None:
    options = ["--count", "1", "--steps", "7", "--guidance-scale", "2.5"]
    assert run(["generate", PROMPT, *options]) == 0
    (request,) = artist.requests
    assert (request.prompt, request.seed) == (PROMPT, 0)
    assert (request.parameters.steps, request.parameters.guidance_scale) == (7, 2.5)
    assert request.format == generation_pb2.IMAGE_FORMAT_PNG


def test_other_prompts_have_images_but_no_verdict(artist: Artist, capsys) -> None:
    assert run(["generate", "a dog on a beach", "--count", "2", "--out", "dogs"]) == 0
    shown = capsys.readouterr()
    assert "No verdict is possible" in shown.err
    assert "dog, beach" in shown.err.replace("\n", " ")
    assert "true to the prompt" not in shown.out
    assert len(list(Path("dogs").glob("*.png"))) == 3


def test_a_second_call_gets_a_folder_of_its_own(artist: Artist) -> None:
    for _ in range(2):
        assert run(["generate", "...", "--count", "1"]) == 0
    assert sorted(path.name for path in Path("generated").iterdir()) == ["images", "images-2"]


def test_any_text_can_name_a_folder(tmp_path: Path) -> None:
    rng = random.Random(1)
    for _ in range(100):
        text = "".join(chr(rng.randrange(1, 0x2FFF)) for _ in range(rng.randrange(90)))
        name = inputs.new_folder(tmp_path, text).name
        assert name.strip("-") == name
        assert 1 <= len(name.encode()) <= 48
