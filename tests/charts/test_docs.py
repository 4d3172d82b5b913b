"""The commands and manifests of docs/operate are right for this chart."""

import functools
import re
import shlex
import subprocess
from pathlib import Path

import yaml

from charts.derive import SERVERS, documented
from tests.charts.conformance import problem
from tests.charts.objects import texts
from tests.charts.rendering import APIS, NEWEST, configuration, helm, render, tool
from tests.charts.rules import nothing_twice, ports_exist, selectors_match
from tests.contracts.words import ROOT

FOLDER = ROOT / "docs" / "operate"
PAGES = sorted(FOLDER.glob("*.md"))


def blocks(path: Path, language: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def commands(program: str) -> list[list[str]]:
    found = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                for part in re.split(r" \| ", line):
                    words = shlex.split(part)
                    if words[:1] == [program]:
                        found.append(words)
    return found


def test_helm_takes_the_values_of_every_command(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("images: {registry: registry.example.com}", "utf-8")
    tried = 0
    for words in commands("helm"):
        if words[1] not in ("install", "upgrade"):
            continue
        options = [
            str(tmp_path / word) if word == "my.yaml" else word
            for word in words[4:]
            if word.startswith(("--values", "--set", "catalogue.", "charts/", "my.yaml"))
        ]
        assert words[2:4] == ["synthvlm", "charts/synthvlm"]
        served = [f"--api-versions={api}" for api in APIS]
        helm("template", "synthvlm", str(ROOT / words[3]), *map(in_tree, options), *served)
        tried += 1
    assert tried == 6


def test_helm_knows_the_options() -> None:
    for words in commands("helm"):
        text = helm(words[1], "--help")
        for option in {word.partition("=")[0] for word in words if word.startswith("--")}:
            assert re.search(rf"{option}\b", text), " ".join(words)


def in_tree(word: str) -> str:
    return str(ROOT / word) if word.startswith("charts/") else word


def test_what_kubectl_is_asked_for_is_in_the_release() -> None:
    names = {
        f"{entry['kind'].lower()}/{entry['metadata']['name']}"
        for entry in configuration("everything")
    } | {"pvc/synthvlm-data", "statefulset/postgresql"}
    selected = set(texts(list(configuration("everything"))))
    for words in commands("kubectl"):
        for word in words[1:]:
            if re.fullmatch(r"(deployment|statefulset|service|job|configmap)/\S+", word):
                assert word in names, " ".join(words)
        if "--selector" in words:
            label, value = words[words.index("--selector") + 1].split("=")
            assert label in ("app.kubernetes.io/component", "app.kubernetes.io/instance")
            assert value in selected, " ".join(words)
    assert len(commands("kubectl")) > 30


def test_kubectl_knows_the_options() -> None:
    known = help_of("options")
    for words in commands("kubectl"):
        if "exec" in words:
            continue  # what follows is the container's command line
        start = 3 if words[1] == "--namespace" else 1
        verbs = [word for word in words[start : start + 3] if re.fullmatch(r"[a-z][a-z-]*", word)]
        text = known + help_of(*verbs[: DEPTH.get(verbs[0], 1)])
        for option in {w.partition("=")[0] for w in words if w.startswith("--")}:
            assert re.search(rf"{option}\b", text), " ".join(words)


DEPTH = {"create": 3, "config": 2, "rollout": 2, "top": 2}
"""Words of commands that have commands of their own."""


@functools.cache
def help_of(*verbs: str) -> str:
    command = [tool("kubectl"), *verbs, *([] if verbs == ("options",) else ["--help"])]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_laptop_s_postgresql_is_valid() -> None:
    (block,) = (text for text in blocks(FOLDER / "install.md", "yaml") if "StatefulSet" in text)
    objects = list(yaml.safe_load_all(block))
    assert [problem(entry, NEWEST) for entry in objects] == ["", ""]
    for rule in (nothing_twice, ports_exist, selectors_match):
        assert list(rule(objects)) == []


def test_the_values_in_the_documents_are_values() -> None:
    found = [
        content
        for page in PAGES
        for block in blocks(page, "yaml")
        if isinstance(content := next(yaml.safe_load_all(block)), dict) and "kind" not in content
    ]
    assert len(found) == 2
    assert all(render(values) for values in found)


def test_every_value_that_the_documents_name_is_there() -> None:
    known = {value.name for value in documented()}
    workloads = "|".join([r"services\.\w+", *SERVERS])
    top = {name.partition(".")[0] for name in known}
    for page in PAGES:
        for text in re.findall(r"`([a-z]\w+(?:\.\w+)+)(?:[:=][^`]*)?`", page.read_text("utf-8")):
            if text.partition(".")[0] in top and ".config." not in text:
                shared = re.sub(rf"^({workloads})\.", "defaults.", text)
                assert {text, shared} & known, f"{page.name}: {text}"
