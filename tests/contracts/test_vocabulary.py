"""One word a thing, wherever the thing has a name."""

import importlib
import tomllib
from itertools import combinations
from typing import Any

import pytest
import yaml

from synthvlm.local.words import WORDS
from tests.contracts.words import CONTRACTS, PACKAGE, ROOT, SERVICES, declared

SHARED = {
    "caption_clusters",
    "cli",
    "client",
    "cluster",
    "evaluation",
    "jobs",
    "local",
    "profiles",
    "real_set",
    "report",
    "reuse",
    "scenes",
    "serving",
    "sql",
    "storage",
    "submission",
    "training",
    "tuning",
    "weights",
}
"""Packages that are not services."""
ONE_MEANING = {
    *{"__init__", "__main__", "config", "engine", "limits", "requests", "service", "servicer"},
    *{"models", "parquet", "reindex", "settings", "warm_up"},
}
"""Names of modules that mean the same in each service that has one."""
JOBS = {"evaluation", "training"}
"""Packages that run once and end, with a section of the profiles."""
OTHER_EXTRAS = {"cli", "dev", "evaluation", "pipelines", "scenes", "training", "weights"}
"""Extras that do not belong to a service."""


def packages() -> set[str]:
    """Packages with code of their own: stubs alone do not make one."""
    return {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_the_packages_are_the_services_and_what_they_share() -> None:
    assert set(SERVICES) <= packages() - SHARED <= set(CONTRACTS)
    assert packages() >= SHARED


def test_the_command_line_starts_every_service() -> None:
    assert set(WORDS) == set(SERVICES)


@pytest.mark.parametrize("word", SERVICES)
def test_a_service_calls_itself_by_its_word(word: str) -> None:
    module: Any = importlib.import_module(f"synthvlm.{word}.service")
    service = module.SERVICE
    assert service.word == word
    assert service.descriptor.full_name == declared(word).full_name
    assert service.settings.__name__ == f"{word.capitalize()}Settings"
    assert service.settings.__module__ == f"synthvlm.{word}.config"


@pytest.mark.parametrize("word", SERVICES)
def test_a_service_has_the_shape_of_all_services(word: str) -> None:
    for name in ("__main__", "config", "requests", "servicer", "service"):
        assert (PACKAGE / word / f"{name}.py").is_file(), name
    main = (PACKAGE / word / "__main__.py").read_text(encoding="utf-8")
    assert len(main.splitlines()) <= 20


def test_a_module_name_means_one_thing() -> None:
    names = [
        {path.stem for path in (PACKAGE / word).rglob("*.py") if path.parent.name != "v1"}
        for word in CONTRACTS
    ]
    shared = {name for one, other in combinations(names, 2) for name in one & other}
    assert shared <= ONE_MEANING


def test_profiles_have_a_section_for_nothing_but_services_jobs_and_pipelines() -> None:
    for path in sorted((PACKAGE / "profiles").glob("*.yaml")):
        sections = set(yaml.safe_load(path.read_text(encoding="utf-8")))
        assert sections <= set(SERVICES) | JOBS | {"pipelines"}, path.name


def test_the_chart_has_a_key_for_every_service() -> None:
    values = yaml.safe_load((ROOT / "charts/synthvlm/values.yaml").read_text(encoding="utf-8"))
    assert set(values["services"]) == set(CONTRACTS)


def test_every_package_has_tests_under_its_name() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("test_*.py"))}
    others = {"attack", "charts", "contracts", "e2e", "images", "pipelines", "reproduce", "rig"}
    assert folders == (packages() - {"profiles"}) | others


def test_every_extra_is_a_service_or_has_a_reason() -> None:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = set(content["project"]["optional-dependencies"])
    assert extras == set(CONTRACTS) | OTHER_EXTRAS
