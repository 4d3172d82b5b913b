"""The rules hold under every profile and option."""

import pytest

from tests.charts.objects import texts
from tests.charts.rendering import CONFIGURATIONS, configuration, values_of
from tests.charts.rules import RULES, Rule, references_exist


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rules_hold(rule: Rule, name: str) -> None:
    assert list(rule(configuration(name))) == []


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_what_is_named_is_there(name: str) -> None:
    existing = frozenset(texts(values_of(name)))
    assert list(references_exist(configuration(name), existing)) == []
