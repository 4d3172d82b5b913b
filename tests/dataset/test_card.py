"""The dataset card of an export, read as Hugging Face's hub reads it."""

import json
import re

import pytest
from huggingface_hub import DatasetCard

from synthvlm.dataset.exports.card import dataset_card
from synthvlm.dataset.exports.reserved import ExportFormat, ReservedRule
from synthvlm.dataset.exports.run import export_version
from synthvlm.progress import SILENT
from synthvlm.storage import file_location, open_store
from tests.dataset.exporting import version_of

RATE = {"value": 0.912, "low": 0.874, "high": 0.94}


def review(rate=RATE, *, of_selection=True, alpha=0.71):
    """What the manifest of a version says that was reviewed."""
    return {
        "path": "reviews/1",
        "reviewed": 400,
        "rejected": 33,
        "of_selection": of_selection,
        "design": {"sample_size": 400},
        "statistics": {"truth_rate": rate, "alpha": alpha},
    }


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    return version_of(open_store(file_location(tmp_path_factory.mktemp("card") / "store")))


def card_of(version, form=ExportFormat.PARQUET, licence="cc-by-4.0", **details):
    manifest = version.manifest
    told = manifest.model_copy(update={"details": {**manifest.details, **details}})
    return DatasetCard(dataset_card(told, form, licence).decode())


def test_the_hub_reads_its_metadata(version) -> None:
    data = card_of(version).data
    assert (data.license, data.pretty_name) == ("cc-by-4.0", "shapes")
    assert data.size_categories == ["n<1K"]
    assert data["configs"] == [
        {
            "config_name": "default",
            "data_files": [{"split": "train", "path": "data/train-*"}],
        }
    ]


def test_it_states_the_truth_rate_that_people_verified_with_its_interval(version) -> None:
    text = card_of(version, review=review()).text
    assert "**91.2% of the pairs of the selection are true**" in text
    assert "87.4% to 94.0%" in text
    assert "People judged 400 pairs" in text
    assert "The 33 that they rejected" in text
    assert "alpha of their verdicts is 0.71" in text
    other = card_of(version, review=review(of_selection=False)).text
    assert "of the pairs of the set that was sampled are true" in other


def test_it_claims_nothing_that_nobody_verified(version) -> None:
    assert "No person has verified these pairs" in card_of(version).text
    unknown = card_of(version, review=review(None, alpha=None)).text
    assert "too few for a truth rate" in unknown
    assert "alpha" not in unknown


def test_it_tells_the_lineage_and_every_setting(version) -> None:
    text = card_of(version).text
    assert version.manifest.digest in text
    assert all(digest in text for digest in version.manifest.inputs.values())
    (quoted,) = re.findall(r"```json\n(.*?)\n```", text, re.S)
    settings = json.loads(quoted)
    assert settings["run"] == version.manifest.configuration
    assert set(settings["stages"]) == set(version.manifest.details["stages"])


def test_no_setting_can_end_the_block_that_quotes_it(version) -> None:
    rule = {"text": "```\n<script>alert(1)</script>"}
    text = card_of(version, selection_rule=rule).text
    assert "````json" in text


def test_another_licence_makes_another_card_of_the_same_export(version, tmp_path) -> None:
    target = open_store(file_location(tmp_path / "out"))
    for licence in ("cc-by-4.0", "mit", "mit"):
        made = export_version(
            version, ExportFormat.LLAVA, ReservedRule.DROP, target, SILENT, licence
        )
        assert made.record.complete
        card = DatasetCard(target.read("README.md").decode())
        assert card.data.license == licence
