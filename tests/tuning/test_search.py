"""``synthvlm tune``: the grid, the choice, the sample, and what is left behind."""

import asyncio
import json
import math
import random

import pytest
import yaml

from synthvlm.caption.config import CaptionSettings
from synthvlm.caption.service import SERVICE
from synthvlm.client import CaptionClient, connect
from synthvlm.errors import InvalidInput, PreconditionFailed
from synthvlm.generation.config import GenerationSettings
from synthvlm.profiles import load_profile
from synthvlm.report.model import SCORES
from synthvlm.serving.sources import load_settings
from synthvlm.serving.testing import serving
from synthvlm.storage import file_uri, open_shard, open_store
from synthvlm.storage.schemas import CAPTIONS
from synthvlm.storage.v1 import shard_pb2
from synthvlm.tuning.captions import sample, write_sample
from synthvlm.tuning.comparison import Measured, compare
from synthvlm.tuning.grid import MOST_CELLS, Cell, cells
from synthvlm.tuning.page import render_page
from synthvlm.tuning.result import Result
from synthvlm.tuning.run import TuneRequest, require_refiner, tune_folder
from synthvlm.tuning.search import Clock, Timings
from synthvlm.tuning.write import write_result
from tests.caption_sets import commit_caption_set
from tests.report.test_report import Page

# The grid


def test_a_grid_is_every_combination_the_last_parameter_fastest():
    found = cells(["steps=8,10", "guidance_scale=2,2.5"])
    assert [str(cell) for cell in found] == [
        "steps=8 guidance_scale=2",
        "steps=8 guidance_scale=2.5",
        "steps=10 guidance_scale=2",
        "steps=10 guidance_scale=2.5",
    ]
    assert found[0].given == {"steps": 8, "guidance_scale": 2.0}


def test_one_text_may_hold_the_whole_grid_and_values_count_once():
    assert cells(["steps=8,8  high_noise_fraction=1.0,1"]) == [
        Cell(steps=8, high_noise_fraction=1.0)
    ]


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (["width=64"], "is not of the form"),
        (["steps"], "is not of the form"),
        ([""], "no parameter is named"),
        (["steps=8", "steps=9"], "steps is named twice"),
        (["steps=0"], "steps must be from 1 to 500, not '0'"),
        (["steps=2.5"], "steps must be from 1 to 500"),
        (["steps=8,"], "not ''"),
        (["guidance_scale=0"], "guidance_scale must be above 0 to 50"),
        (["guidance_scale=nan"], "guidance_scale must be above 0 to 50"),
        (["high_noise_fraction=1.1"], "high_noise_fraction must be above 0 to 1"),
        ([f"steps={','.join(map(str, range(1, 41)))} guidance_scale=" +
          ",".join(map(str, range(1, 21)))], f"{MOST_CELLS} are allowed"),
    ],
)  # fmt: skip
def test_a_grid_that_means_nothing_is_refused(wrong, problem):
    with pytest.raises(InvalidInput, match=problem):
        cells(wrong)


def test_a_profile_without_a_refiner_takes_no_part_of_the_schedule():
    with pytest.raises(InvalidInput, match="has no refiner"):
        require_refiner(cells(["high_noise_fraction=0.8,1"]), {"model": "m"})
    require_refiner(cells(["high_noise_fraction=0.8,1"]), {"refiner": "r"})
    require_refiner(cells(["high_noise_fraction=1 steps=3"]), {"model": "m"})


# The choice


def measured(cell, mean, *, noise=0.01, captions=200, shared=True, seconds=0.1, guidance=2.0):
    """Scores around a mean; what a caption's scores have in common varies much more."""
    easy = random.Random(1)
    own = random.Random(str(cell))
    scores = {
        f"c{number}": mean + (easy.gauss(0, 0.1) if shared else 0) + own.gauss(0, noise)
        for number in range(captions)
    }
    parameters = {"steps": 10, "guidance_scale": guidance, **cell.given}
    return Measured(cell, parameters, scores, 0, seconds)


def chosen(*cells_measured):
    return compare(cells_measured).chosen.measured.cell


FAST, MIDDLE, SLOW = (Cell(steps=steps) for steps in (8, 10, 20))


def test_the_best_is_chosen_when_it_is_measurably_better():
    assert chosen(measured(FAST, 0.20), measured(MIDDLE, 0.22), measured(SLOW, 0.25)) == SLOW


def test_of_equally_good_ones_the_cheapest_is_chosen():
    found = compare([measured(FAST, 0.20), measured(MIDDLE, 0.25), measured(SLOW, 0.2505)])
    assert found.chosen.measured.cell == MIDDLE
    assert [one.is_as_good for one in found.cells].count(True) == 2


def test_differences_are_seen_that_are_smaller_than_the_scores_vary():
    found = compare([measured(FAST, 0.240), measured(SLOW, 0.245)])
    best, other = found.cells
    # The intervals of the means overlap by far; that of the difference does not reach 0.
    assert best.mean - best.margin < other.mean + other.margin
    assert not other.is_as_good
    assert found.chosen is best


def test_guidance_costs_twice():
    with_guidance = measured(Cell(guidance_scale=2.0), 0.25, noise=0)
    without = measured(Cell(guidance_scale=1.0), 0.25, noise=0)
    assert (with_guidance.evaluations, without.evaluations) == (20, 10)
    assert chosen(with_guidance, without) == without.cell


def test_the_choice_does_not_depend_on_the_machine_or_the_order():
    runs = [measured(FAST, 0.25), measured(MIDDLE, 0.25), measured(SLOW, 0.25)]
    slow_clock = [measured(FAST, 0.25, seconds=9.0), *runs[1:]]
    assert chosen(*runs) == chosen(*reversed(runs)) == chosen(*slow_clock)


def test_captions_that_one_cell_has_no_score_for_do_not_count():
    one, other = measured(FAST, 0.25, captions=10), measured(SLOW, 0.20, captions=20)
    assert compare([one, other]).captions == 10
    with pytest.raises(PreconditionFailed, match="no caption has a scored image"):
        compare([one, measured(SLOW, 0.2, captions=0)])


def test_one_caption_tells_nothing():
    found = compare([measured(FAST, 0.2, captions=1), measured(SLOW, 0.3, captions=1)])
    assert math.isinf(found.cells[0].margin)
    assert found.cells[0].is_as_good


# The sample


TEXTS = [f"a red circle, number {number}" for number in range(40)]


@pytest.fixture
def store(tmp_path):
    return open_store(file_uri(tmp_path / "store"))


def drawn(store, sets, count, file, seed=0):
    write_sample(store, sets, count, seed, file)
    return [json.loads(line)["caption"] for line in file.read_text().splitlines()]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "captions.jsonl"


def test_a_sample_is_the_same_each_time(store, file):
    sets = [commit_caption_set(store, TEXTS)]
    first = drawn(store, sets, 10, file)
    assert len(set(first)) == 10
    assert [text for text in TEXTS if text in first] == first  # in the order of the files
    assert drawn(store, sets, 10, file) == first
    assert drawn(store, sets, 10, file, seed=1) != first
    assert [path.name for path in file.parent.glob("*captions*")] == [file.name]


def test_all_captions_are_drawn_where_there_are_no_more(store, file):
    assert len(drawn(store, [commit_caption_set(store, TEXTS)], 1000, file)) == len(TEXTS)


def test_a_caption_that_comes_again_is_drawn_once(store, file):
    sets = [commit_caption_set(store, TEXTS), commit_caption_set(store, TEXTS[:20])]
    assert len(drawn(store, sets, 1000, file)) == len(TEXTS)


def test_more_captions_displace_few(store, file):
    before = set(drawn(store, [commit_caption_set(store, TEXTS[:39])], 10, file))
    after = set(drawn(store, [commit_caption_set(store, TEXTS)], 10, file))
    assert len(before - after) <= 1


def test_without_captions_nothing_can_be_compared(store, file):
    with pytest.raises(InvalidInput, match="curation keeps no caption"):
        write_sample(store, [], 10, 0, file)


async def test_the_sample_is_a_caption_set_of_the_caption_service(store, tmp_path, file):
    texts = [f"a small red circle beside {n} large blue squares." for n in range(30)]
    pool = tmp_path / "pool.txt"
    pool.write_text("\n".join([*texts, "$$$ 50% OFF!!! >>> www <<<"]))
    roots = {"store_roots": [store.uri], "caption_roots": [str(tmp_path)]}

    def draw(address):
        with CaptionClient(connect(address)) as client:
            return sample(client, store, [str(pool)], "", "paper-rules", 10, 0, file)

    async with serving(SERVICE, CaptionSettings(**roots)) as server:
        ref = await asyncio.to_thread(draw, server.address)
        assert await asyncio.to_thread(draw, server.address) == ref
    shard = open_shard(store, ref)
    kept = shard.table("captions.parquet", CAPTIONS).column("text").to_pylist()
    assert ref.path.startswith("captions/")
    assert len(kept) == 10
    assert set(kept) < set(texts)


# Times


def test_only_what_was_made_is_timed():
    clock = Clock()
    clock.heard(shard_pb2.ShardProgress(done=0, total=10))
    clock.heard(shard_pb2.ShardProgress(done=8, total=10, resumed=8))
    assert clock.seconds() is None
    clock.heard(shard_pb2.ShardProgress(done=10, total=10, resumed=8))
    assert clock.made == 2
    assert clock.seconds() >= 0


def test_times_are_kept_by_cell(tmp_path):
    Timings(tmp_path / "seconds.json").keep(FAST, 0.25)
    again = Timings(tmp_path / "seconds.json")
    assert (again.get(FAST), again.get(SLOW)) == (0.25, None)


# What is left behind


def result(**changes):
    runs = [
        measured(Cell(steps=9, guidance_scale=2.5), 0.25),
        measured(Cell(steps=20, guidance_scale=2.5), 0.2501, seconds=None),
        measured(Cell(steps=2, guidance_scale=2.5), 0.1),
    ]
    given = {
        "profile": "mini",
        "sections": load_profile("mini").sections,
        "metric": "clip_score",
        "seed": 7,
        "digests": {"captions": f"sha256:{'1' * 64}"},
        "comparison": compare(runs),
        "seconds": 12.0,
    }
    return Result(**{**given, **changes})


def test_the_chosen_profile_is_the_profile_with_the_chosen_parameters(tmp_path):
    files = write_result(result(), tmp_path)
    file = files.profile
    assert {path.name for path in tmp_path.iterdir()} == {"profile.yaml", "tune.html", "tune.json"}
    tuned, own = (
        load_settings(GenerationSettings, "generation", command_line={"profile": profile})
        for profile in (str(file), "mini")
    )
    assert (tuned.steps, tuned.guidance_scale) == (9, 2.5)
    changed = {"steps", "guidance_scale", "profile"}
    assert tuned.model_dump(exclude=changed) == own.model_dump(exclude=changed)
    sections = yaml.safe_load(file.read_text())
    assert {word for word in sections if word != "generation"} == {"caption", "alignment"}
    assert load_profile("mini").section("generation")["steps"] != 9


def test_the_numbers_are_valid_json_and_name_the_choice():
    content = json.loads(json.dumps(result().to_json(), allow_nan=False))
    assert content["chosen"] == {"steps": 9, "guidance_scale": 2.5}
    assert [one["chosen"] for one in content["cells"]].count(True) == 1
    assert content["cells"][0]["behind"] == 0


def test_the_page_shows_every_cell_and_needs_nothing_else():
    page = Page(render_page(result(profile='"><script>alert(1)</script>')))
    assert page.all("script") == []
    assert not {"src", "href"} & {name for _, attrs in page.elements for name in attrs}
    groups = page.all("g")
    assert [group["class"] for group in groups].count("cell chosen") == 1
    assert len(groups) == 3
    text = " ".join(page.text)
    assert SCORES["clip_score"] in text
    assert "steps=9 guidance_scale=2.5" in text


def test_one_caption_makes_a_page_too():
    single = compare([measured(FAST, 0.2, captions=1), measured(SLOW, 0.2, captions=1)])
    assert "steps=8" in render_page(result(comparison=single))


def test_the_same_request_has_the_same_folder(tmp_path):
    request = TuneRequest(["/a.txt"], "", "", [FAST], 10, 0, "clip_score")
    assert tune_folder(tmp_path, request, "mini") == tune_folder(tmp_path, request, "mini")
    other = TuneRequest(["/a.txt"], "", "", [SLOW], 10, 0, "clip_score")
    assert tune_folder(tmp_path, other, "mini") != tune_folder(tmp_path, request, "mini")
