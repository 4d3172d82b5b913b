"""A real run, and everything that can be done with what it made."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
import zstandard

from synthvlm.cli.__main__ import run
from tests.e2e.place import CAPTIONS, ONE_MORE_CAPTION, Place, place_in

pytestmark = pytest.mark.e2e

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def give(up: Place, capsys: pytest.CaptureFixture[str]) -> Said:
    """Gives a command in this process; its status, and what it says on stdout and stderr."""

    def given(*arguments: str) -> tuple[int, str, str]:
        status = run(["--home", str(up.home.root), *arguments])
        return status, *capsys.readouterr()

    return given


def test_a_run_makes_a_dataset(up, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    counts = {"read": 12, "quarantined": 0, "kept": 12, "generated": 24, "scored": 24}
    assert undisturbed["counts"] == {**counts, "selected": 12}
    assert (undisturbed["dataset"], undisturbed["version"]) == ("scenes", 1)
    assert undisturbed["digest"].startswith("sha256:")
    assert Path(undisturbed["report"]).read_text().lstrip().lower().startswith("<!doctype html")
    pairs = up.pairs(tmp_path / "llava")
    assert len({pair["id"] for pair in pairs}) == len(pairs) == 12


def test_one_more_caption_costs_its_own_images(grown: dict[str, Any]) -> None:
    assert grown["counts"]["generated"] == 26
    assert grown["made"] == {"images": 2, "scores": 2}
    assert grown["reused"] == {"images": 24, "scores": 24}


def test_a_fresh_home_whose_images_are_by_triton_makes_the_same_dataset(
    grown: dict[str, Any], tmp_path: Path
) -> None:
    place = place_in(tmp_path, [*CAPTIONS, ONE_MORE_CAPTION])
    fresh = place.make("--name", "grown", "--engine", "triton")
    assert fresh["made"] == {"images": 26, "scores": 26}
    assert fresh["digest"] == grown["digest"]
    assert (tmp_path / "home" / "logs" / "triton.log").read_text()


def test_services_with_another_engine_are_not_used(up, undisturbed) -> None:
    _, err = up.call(*up.run_command("--engine", "triton"), status=1)
    assert "use an engine other than triton" in err


def test_the_manifest_holds_the_configuration_and_no_place(up, undisturbed) -> None:
    text, _ = up.call("datasets", "show", "scenes", "--json")
    manifest = json.loads(text)
    assert json.loads(up.call("datasets", "show", f"scenes@{undisturbed['digest']}", "--json")[0])
    assert str(up.home.root.parent) not in text
    assert "127.0.0.1" not in text
    assert '"steps": 6' in json.dumps(manifest)


def test_another_selection_is_another_version(up, undisturbed, tmp_path: Path) -> None:
    command = up.run_command()
    command[command.index("--top-fraction") : command.index("--top-fraction") + 2] = [
        "--top-k",
        "3",
    ]
    other = json.loads(up.call(*command)[0].splitlines()[-1])
    assert (other["version"], other["counts"]["selected"]) == (2, 3)
    listed = up.json("datasets", "list", "scenes", "--json")
    assert [entry["version"] for entry in listed] == [2, 1]
    diff = up.json("datasets", "diff", "scenes@1", "scenes@2", "--json")
    assert (diff["added"], diff["removed"], diff["unchanged"]) == (0, 9, 3)
    assert any("selection" in change["key"] for change in diff["configuration"])


@pytest.mark.parametrize("form", ["webdataset", "llava", "parquet"])
def test_every_export_is_made_once(undisturbed, give: Said, tmp_path: Path, form: str) -> None:
    to, command = tmp_path / "export", ("datasets", "export", "scenes@1", "--format", form, "--to")
    status, made, err = give(*command, str(to), "--json")
    assert status == 0, err
    answer = json.loads(made)
    assert answer["files"]
    assert all((to / file).exists() for file in answer["files"])
    assert (answer["pairs"], answer["set_aside"], answer["truncated"]) == (12, 0, 0)
    assert give(*command, str(to), "--json")[:2] == (0, made)
    status, _, err = give(*command, str(tmp_path))
    assert status == 2
    assert "exists already" in err


def test_a_profile_that_was_edited_since_up_is_refused_with_the_difference(
    up, undisturbed, tmp_path: Path
) -> None:
    edited = tmp_path / "quick.yaml"
    sections = yaml.safe_load(up.profile.read_text())
    before = sections["generation"]["steps"]
    sections["generation"]["steps"] = 9
    edited.write_text(yaml.safe_dump(sections))
    command = ("run", "--captions", str(up.captions), "--name", "edited", "--profile", str(edited))
    _, err = up.call(*command, status=1)
    assert f"generation.steps: running {before}, asked for 9; restart `synthvlm up`" in err
    assert len(err.splitlines()) == 1


def test_a_run_that_drops_every_caption_says_which_rule_did(up, tmp_path: Path) -> None:
    recipe = tmp_path / "strict.yaml"
    recipe.write_text("process:\n  - words_num_filter:\n      min_num: 900\n")
    command = ("run", "--captions", str(up.captions), "--name", "none", "--recipe", str(recipe))
    _, err = up.call(*command, "--profile", str(up.profile), status=1)
    assert "nothing is left after curation: all of " in err.splitlines()[-1]
    assert "words_num_filter); use another --recipe" in err.splitlines()[-1]
    (report,) = re.findall(r"\(report: (.*), log: ", err.splitlines()[-1])
    page = Path(report).read_text()
    assert "nothing is left after curation: all of " in page
    assert "run --captions" in page  # how to go on


def test_an_image_is_shown_and_made_again(up, undisturbed, tmp_path: Path) -> None:
    image_id = up.pairs(tmp_path / "llava")[0]["id"]
    saved, again = tmp_path / "saved.jpg", tmp_path / "again.jpg"
    shown = up.json("images", "show", image_id, "--save", str(saved), "--json")
    assert shown["digest"] == f"sha256:{hashlib.sha256(saved.read_bytes()).hexdigest()}"
    assert {"clip_score", "ssim_score", "weighted_score"} <= set(shown["scores"])
    answer = up.json(
        *("regenerate", image_id, "--profile", str(up.profile), "--out", str(again), "--json")
    )
    assert answer["same"] is True
    assert again.read_bytes() == saved.read_bytes()


def test_what_is_not_there_is_one_clear_line(up, give: Said) -> None:
    for command in (
        ("datasets", "show", "absent"),
        ("images", "show", "0123456789abcdef"),
        ("regenerate", "0123456789abcdef", "--profile", str(up.profile)),
    ):
        status, out, err = give(*command)
        assert (status, out) == (1, "")
        assert err.startswith("synthvlm: ")
        assert len(err.splitlines()) == 1


def test_evaluate_keeps_order_and_ids(up, tmp_path: Path) -> None:
    file = tmp_path / "mixed.jsonl"
    records = [
        {"id": 1, "caption": "a small red circle on a white background, and nothing else."},
        {"id": "1", "caption": "!!!! $$$$ ####"},
        {"caption": ""},
    ]
    lines = [json.dumps(record) for record in records]
    file.write_text("\n".join([lines[0], "{broken", *lines[1:]]) + "\n")
    out, err = up.call("captions", "evaluate", str(file), "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["id"] for answer in answers] == [1, "1", None]
    assert [answer["keep"] for answer in answers] == [True, False, False]
    assert answers[0]["dropped_by"] == []
    assert "special_characters_filter" in answers[1]["dropped_by"]
    assert "special_char_ratio" in answers[0]["stats"]
    assert "mixed.jsonl:2: " in err
    table, _ = up.call("captions", "evaluate", str(file))
    assert "kept" in table


def test_doctor_is_content_with_this_machine(up) -> None:
    findings = up.json("doctor", "--profile", str(up.profile), "--json")
    assert not [finding for finding in findings if finding["state"] == "missing"]
    (services,) = [finding for finding in findings if finding["what"] == "services"]
    assert services["found"] == "running with the profile quick"


def bad_files(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Files that hold no caption at all, and what is said of them."""
    table = pa.table({"words": ["a red circle"]})
    pq.write_table(table, folder / "other.parquet")
    return {
        "other.parquet": ((folder / "other.parquet").read_bytes(), "caption"),
        "column.csv": (b"words,id\na red circle,1\n", "caption"),
        "broken.json": (b"[{", "json"),
        "broken.jsonl.gz": (b"\x1f\x8bno gzip at all", "gz"),
        "broken.txt.zst": (zstandard.compress(b"a red circle\n")[:-3], "zst"),
        "hollow.jsonl": (b'{"caption": ""}\n{"caption": 5}\nno json\n', "caption"),
        "captions.xlsx": (b"PK", "xlsx"),
    }


def test_unusable_input_is_a_clear_error(up, give: Said, tmp_path: Path) -> None:
    for name, (content, hint) in bad_files(tmp_path).items():
        file = tmp_path / name
        file.write_bytes(content)
        # What a run says costs a pipeline: shown where evaluate has another opinion.
        if name == "hollow.jsonl":
            command = ("run", "--captions", str(file), "--name", "bad", "--json")
            out, err = up.call(*command, "--profile", str(up.profile), status=2)
        else:
            status, out, err = give("captions", "evaluate", str(file), "--json")
            assert status == 2, err
        last = err.splitlines()[-1]
        assert out == ""
        assert last.startswith("synthvlm: "), name
        assert hint.lower() in last.lower(), (name, last)
        assert "Traceback" not in err


def test_bad_records_are_counted_and_the_run_goes_on(up, tmp_path: Path) -> None:
    good = "a small red circle to the left of a big blue square on a white background."
    lines = [
        json.dumps({"id": 1, "caption": good}).encode(),
        b"{broken",
        b'{"id": 2, "caption": "\xff\xfe"}',
        json.dumps({"id": 3, "caption": ""}).encode(),
        json.dumps({"id": 4, "caption": "long " * 20_000}).encode(),
        json.dumps({"id": 1, "caption": "the same id again, on a white background."}).encode(),
        json.dumps({"id": 5}).encode(),
    ]
    (tmp_path / "mixed.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    out, _ = up.call(
        *("run", "--captions", str(tmp_path / "mixed.jsonl"), "--name", "mixed", "--json"),
        *("--repeat", "1", "--top-k", "5", "--profile", str(up.profile)),
        *("--max-set-aside", "1"),
    )
    counts = json.loads(out.splitlines()[-1])["counts"]
    assert counts["read"] == 7
    assert counts["quarantined"] == 5
    assert counts["kept"] == counts["selected"] == 2
