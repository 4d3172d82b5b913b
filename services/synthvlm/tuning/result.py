"""The result of a search: the chosen profile, and the numbers for programs."""

import math
from dataclasses import dataclass
from typing import Any

import yaml

from synthvlm.tuning.comparison import Compared, Comparison


@dataclass(frozen=True)
class Result:
    """A finished search.

    Attributes:
        profile: Name of the profile that the search started from.
        sections: Its sections.
        metric: Column of the score that decided.
        seed: Seed of sample and images.
        digests: ``sha256:`` digests by what they identify.
        seconds: How long this attempt took.
    """

    profile: str
    sections: dict[str, dict[str, Any]]
    metric: str
    seed: int
    digests: dict[str, str]
    comparison: Comparison
    seconds: float

    def chosen_profile(self) -> str:
        """The profile with the chosen parameters, as YAML."""
        chosen = self.comparison.chosen
        sections = {word: dict(section) for word, section in self.sections.items()}
        sections["generation"] |= chosen.measured.cell.given
        cell = f"{chosen.measured.cell}: mean {self.metric} {chosen.mean:.4f}"
        header = (
            f"# The profile {self.profile}, with generation parameters chosen by `synthvlm tune` "
            f"over\n# {self.comparison.captions:,} captions and {len(self.comparison.cells)} "
            f"combinations.\n# {cell}\n"
        )
        return header + yaml.safe_dump(sections, sort_keys=False, allow_unicode=True)

    def to_json(self) -> dict[str, Any]:
        """The content of ``--json``, without the files."""
        comparison = self.comparison
        return {
            "profile_searched": self.profile,
            "metric": self.metric,
            "seed": self.seed,
            "captions": comparison.captions,
            "digests": self.digests,
            "chosen": comparison.chosen.measured.cell.given,
            "cells": [_cell(one, comparison.chosen) for one in comparison.cells],
        }


def _cell(one: Compared, chosen: Compared) -> dict[str, Any]:
    measured = one.measured
    return {
        "parameters": measured.cell.given,
        "mean": round(one.mean, 6),
        "margin": _number(one.margin),
        "behind": round(one.behind, 6),
        "behind_margin": _number(one.behind_margin),
        "as_good_as_best": one.is_as_good,
        "chosen": one is chosen,
        "evaluations": measured.evaluations,
        "seconds_an_image": None if measured.seconds is None else round(measured.seconds, 4),
        "scored": len(measured.scores),
        "failed": measured.failed,
    }


def _number(value: float) -> float | None:
    """A margin; None if a single caption gives none."""
    return round(value, 6) if math.isfinite(value) else None
