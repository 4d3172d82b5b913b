"""The images, run as the chart's manifests say; collected by `make test-images`.

Environment: ``IMAGES_CAPTIONS`` says of how many captions the dataset is made, and
``IMAGES_DIGEST`` which digest it must have; without it the same run is made by local processes.
"""

import copy
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from synthvlm import __version__
from synthvlm.cli import inputs
from synthvlm.cli.caption_files import recipe_column
from synthvlm.cli.run.plan import plan_run
from synthvlm.client import GenerationClient, connect
from synthvlm.dataset.v1.dataset_pb2 import AssembleRequest
from synthvlm.generation.v1.generation_pb2 import GenerateImageRequest
from synthvlm.local.services import Running, Services
from synthvlm.local.words import RUN
from synthvlm.training.processes import STOPPED_STATUS
from synthvlm_pipelines.requests import StageRequests
from tests.charts.objects import Object, Template
from tests.charts.rendering import render
from tests.contracts.words import ROOT
from tests.images.containers import PREFIX, Container, Node, network, podman, pods

pytestmark = pytest.mark.timeout(7200)

LOG = logging.getLogger(__name__)

CAPTIONS = int(os.environ.get("IMAGES_CAPTIONS", "40"))
DIGEST = os.environ.get("IMAGES_DIGEST", "")
SHARD, REPEATS, FRACTION = 250, 2, 0.4
"""As in `make demo`."""

WORDS = ("caption", "generation", "alignment", "dataset", "review")
LIGHT = ("caption", "dataset", "review", "pipelines")
"""Images that stay below LIGHT_BYTES."""
LIGHT_BYTES = 300_000_000
IMAGES = (*WORDS, "pipelines", "training", "evaluation")
HEALTH, GRPC = 50052, 50051


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    """values-mini, and what it leaves out: review without its page, and training."""
    return render(
        {
            "services.review.enabled": True,
            "services.review.webPort": 0,
            "training.enabled": True,
            # What a laptop's node has; the demo's training needs less.
            "training.resources": {"requests": {"cpu": "1"}, "limits": {"memory": "8Gi"}},
            "training.pool": "cpu",
        },
        profile="mini",
    )


@pytest.fixture(scope="module")
def node(objects: list[Object], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with network():
        made = Node(objects, tmp_path_factory.mktemp("node"))
        made.make_claim("synthvlm-data", group=65532)
        try:
            yield made
        finally:
            made.end()


@pytest.fixture(scope="module")
def services(node: Node) -> dict[str, Container]:
    """The Deployments, ready."""
    deployed = pods(node.objects, "Deployment")
    assert set(deployed) == {f"synthvlm-{word}" for word in WORDS}
    made = {name: node.start(template, name) for name, template in deployed.items()}
    for name, container in made.items():
        probe = deployed[name].container["startupProbe"]
        assert probe["grpc"]["port"] == HEALTH
        container.wait_until_serving(HEALTH, probe["periodSeconds"] * probe["failureThreshold"])
    return {name.removeprefix("synthvlm-"): container for name, container in made.items()}


def test_the_requests_of_helm_test_are_answered(node: Node, services: dict[str, Container]) -> None:
    tests = pods(node.objects, "Pod")
    assert set(tests) == {f"synthvlm-test-{word}" for word in services}
    for name, template in tests.items():
        container = node.start(template, name)
        assert container.finished(300) == 0, container.logs()
        assert container.logs().endswith(" bytes\n")


def test_a_dataset_is_that_of_local_processes(
    node: Node, services: dict[str, Container], tmp_path: Path
) -> None:
    data = node.volume("synthvlm-data")
    store = data / "store"
    store.mkdir(exist_ok=True)
    store.chmod(0o2775)
    captions = store / "captions.jsonl"
    subprocess.run(
        [sys.executable, "-m", "synthvlm.scenes", "captions", "--count", str(CAPTIONS), "--out",
         str(captions)],
        check=True, timeout=300,
    )  # fmt: skip
    expected = DIGEST or digest_of_local_run(captions, tmp_path)
    arguments = arguments_for(services)
    (data / "arguments.json").write_text(json.dumps(arguments))
    started = time.monotonic()
    step = node.start(
        step_template(node), "synthvlm-run", image=f"synthvlm/pipelines:{__version__}",
        command=["/opt/synthvlm/bin/entrypoint", "run", "--arguments", "/data/arguments.json",
                 "--root", "/tmp/kfp"],
    )  # fmt: skip
    assert step.finished(3600) == 0, step.logs()[-5000:]
    version = json.loads(step.logs().splitlines()[-1])["version"]
    LOG.info("%d captions: %s, %.0f s", CAPTIONS, version["digest"], time.monotonic() - started)
    assert version["digest"] == expected
    (data / "version.json").write_text(json.dumps(version))


def test_a_model_is_trained_on_it_and_evaluated(node: Node) -> None:
    data = node.volume("synthvlm-data")
    version = json.loads((data / "version.json").read_text())
    request = {
        "dataset": {"store": "file:///data/store", **{k: version[k] for k in ("path", "digest")}},
        "store": "file:///data/store",
    }
    (data / "training.json").write_text(json.dumps(request))
    runtime = pods(node.objects, "ClusterTrainingRuntime")["synthvlm-single"]
    trained = node.start(
        runtime, "synthvlm-training",
        command=[*runtime.container["command"], "--request", "/data/training.json"],
        # As Kubeflow Trainer sets them.
        env={"PET_NNODES": "1", "PET_NPROC_PER_NODE": "2", "PET_NODE_RANK": "0",
             "PET_MASTER_ADDR": "localhost", "PET_MASTER_PORT": "29400"},
    )  # fmt: skip
    assert trained.finished(3600) == 0, trained.logs()[-5000:]
    model = last_event(trained)["values"]
    assert the_same_stopped_after_a_step(node, runtime, request) == STOPPED_STATUS
    LOG.info("model: %s", model["digest"])
    request = {
        "name": "demo", "store": "file:///data/store",
        "model": {key: model[key] for key in ("path", "digest")},
    }  # fmt: skip
    (data / "evaluation.json").write_text(json.dumps(request))
    evaluated = node.start(
        runtime, "synthvlm-evaluation", image=f"synthvlm/evaluation:{__version__}",
        command=["/opt/synthvlm/bin/entrypoint", "--request", "/data/evaluation.json"],
    )  # fmt: skip
    assert evaluated.finished(3600) == 0, evaluated.logs()[-5000:]
    assert last_event(evaluated)["state"] == "finished"


def test_a_service_answers_what_it_works_on_and_ends_within_its_grace(
    node: Node, services: dict[str, Container]
) -> None:
    request = GenerateImageRequest(prompt="a small red circle")
    request.parameters.steps = 150
    with (
        ThreadPoolExecutor() as pool,
        GenerationClient(connect(f"{services['generation'].address}:{GRPC}")) as client,
    ):
        pool.submit(client.generate_image, request)
        wait_for_a_running_call(services["generation"])
        ended = {word: pool.submit(container.stop) for word, container in services.items()}
        results = {word: future.result() for word, future in ended.items()}
    told = services["generation"].logs()
    assert '"unfinished": 1, "event": "draining"' in told
    assert '"method": "GenerateImage", "code": "OK"' in told.partition("draining")[2]
    for word, (status, seconds) in results.items():
        LOG.info("%s: status %d after %.1f s", word, status, seconds)
        assert status == 0, services[word].logs()[-3000:]
        assert seconds < services[word].grace_seconds


@pytest.mark.parametrize("word", IMAGES)
def test_an_image_holds_what_it_runs_and_nothing_that_builds(word: str) -> None:
    name = f"{PREFIX}synthvlm/{word}:{__version__}"
    (image,) = json.loads(podman("image", "inspect", name))
    assert image["User"] == "65532:65532"
    labels = image["Labels"]
    assert labels["org.opencontainers.image.title"] == f"synthvlm/{word}"
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    inside = podman(
        "run", "--rm", "--network", "none", "--read-only", "--read-only-tmpfs=false",
        "--entrypoint", "sh", name, "-c",
        "which gcc cc c++ ld pip pip3 apt dpkg; find / -xdev -name pip -type d; ls /root/.cache; "
        "cat /opt/synthvlm/sbom.cdx.json",
    )  # fmt: skip
    materials = json.loads(inside)
    assert materials["bomFormat"] == "CycloneDX"
    listed = {(c["name"].lower().replace("_", "-"), c["version"]) for c in materials["components"]}
    pins = (ROOT / "requirements" / f"{word}.txt").read_text().splitlines()
    wanted = {tuple(pin.split("==")) for pin in pins if not pin.startswith("#")}
    assert {name for name, _ in wanted} <= {name.replace(".", "-") for name, _ in listed}


@pytest.mark.parametrize("word", LIGHT)
def test_an_image_without_models_is_small(word: str) -> None:
    (image,) = json.loads(podman("image", "inspect", f"{PREFIX}synthvlm/{word}:{__version__}"))
    assert image["Size"] < LIGHT_BYTES


@pytest.mark.parametrize("word", WORDS)
def test_what_a_service_imports_is_compiled(word: str) -> None:
    name = f"{PREFIX}synthvlm/{word}:{__version__}"
    program = (
        f"import os, sys, synthvlm.{word}.service; cached = "
        "[getattr(one, '__cached__', None) for one in list(sys.modules.values())]; "
        "print(len(cached), "
        "[path for path in cached if isinstance(path, str) and not os.path.exists(path)])"
    )
    ran = podman("run", "--rm", "--network", "none", "--entrypoint", "python3", name, "-c", program)
    count, _, source = ran.partition(" ")
    assert int(count) > 500
    assert source == "[]"


def the_same_stopped_after_a_step(node: Node, runtime: Template, request: dict[str, Any]) -> int:
    """Asks for a longer training in the image's own way, and ends it; its status."""
    longer = {**request, "training": {"processes": 1, "finetune": {"steps": 5000}}}
    (node.volume("synthvlm-data") / "longer.json").write_text(json.dumps(longer))
    job = node.start(
        runtime, "synthvlm-stopped",
        command=["/opt/synthvlm/bin/entrypoint", "--request", "/data/longer.json"],
    )  # fmt: skip
    deadline = time.monotonic() + 600
    while '"stage": "finetune", "done"' not in job.logs():
        assert job.state["Running"], job.logs()
        assert time.monotonic() < deadline, job.logs()
        time.sleep(1)
    status, _ = job.stop()
    assert last_event(job)["state"] == "stopped"
    return status


def step_template(node: Node) -> Any:
    """The pod of a pipeline's step: that of `helm test`, with the store and room of a laptop."""
    service = pods(node.objects, "Deployment")["synthvlm-dataset"]
    made = copy.deepcopy(service)
    made.container["resources"]["limits"]["memory"] = "2Gi"
    return made


def requests() -> StageRequests:
    """What `synthvlm run` asks for with the options of `make demo`."""
    reference = inputs.profile_reference("mini")
    recipe = inputs.recipe_text(inputs.profile_recipe(reference))
    made = StageRequests()
    made.import_captions.files.append("file:///data/store/captions.jsonl")
    made.import_captions.column = recipe_column(recipe)
    made.import_captions.shard_size = SHARD
    made.curate.recipe_yaml = recipe
    made.generate.repeats = REPEATS
    made.select.rule.CopyFrom(inputs.selection_rule(None, FRACTION, FRACTION, None))
    made.assemble.CopyFrom(AssembleRequest(name="demo"))
    return made


def arguments_for(services: dict[str, Container]) -> dict[str, Any]:
    """The pipeline's arguments, planned by asking the services, as the steps find them."""
    running = {word: Running(f"{services[word].address}:{GRPC}", 0) for word in RUN}
    plan = plan_run(requests(), Services("mini", running), "mini", "file:///data/store")
    names = {f"{word}_address": f"dns:///synthvlm-{word}.images.svc:{GRPC}" for word in RUN}
    return {**plan.arguments, **names, "run_name": "demo"}


def digest_of_local_run(captions: Path, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "synthvlm.cli", "--home", str(folder / "home"), "run", "--captions",
         str(captions), "--name", "demo", "--repeat", str(REPEATS), "--top-fraction",
         str(FRACTION), "--shard-size", str(SHARD), "--json"],
        capture_output=True, text=True, check=True, timeout=3600,
    )  # fmt: skip
    digest: str = json.loads(done.stdout.splitlines()[-1])["digest"]
    return digest


def wait_for_a_running_call(service: Container) -> None:
    """Until the service's metrics say that it works on an item call."""
    deadline = time.monotonic() + 120
    gauge = re.compile(r'^synthvlm_generation_in_flight\{kind="item"\} [1-9]', re.MULTILINE)
    while not gauge.search(httpx.get(f"http://{service.address}:9090/metrics").text):
        assert time.monotonic() < deadline, "the call never began"
        time.sleep(0.1)


def last_event(job: Container) -> dict[str, Any]:
    """The last of the events that a job wrote."""
    lines = [line for line in job.logs().splitlines() if line.startswith('{"event"')]
    event: dict[str, Any] = json.loads(lines[-1])
    return event
