"""The benchmark for GPUs, tried on the CPU with the bundled models."""

import pytest

from benchmarks.generation.gpu import main, published
from benchmarks.generation.gpu_cases import Schedule, cases

TINY = ["--configuration", "tiny", "--device", "cpu", "--dtype", "float32", "--steps", "1", "2"]


def test_rows_say_how_fast_images_are_made_and_how_far_they_differ(tmp_path, capsys):
    file = tmp_path / "gpu.md"
    options = ["--batches", "2", "--only", "channels", "--out", str(file)]
    main([*TINY, *options])
    text = file.read_text()
    assert text == capsys.readouterr().out
    heading, _, row = (line for line in text.splitlines() if line.startswith("|"))
    names, cells = ([one.strip() for one in line.strip("|").split("|")] for line in (heading, row))
    found = dict(zip(names, cells, strict=True))
    assert (found["schedule"], found["settings"], found["batch"]) == ("base", "channels last", "2")
    assert all(float(found[name]) > 0 for name in ("engine", "step ms", "decode ms"))
    # There is no published rate of a CPU, and nothing to compare the first row with.
    assert found["of mlperf"] == found["largest difference"] == found["peak gib"] == "-"


def test_what_there_is_no_time_for_and_what_the_device_cannot_do_is_said(capsys):
    main([*TINY, "--batches", "1", "--only", "whole", "--minutes", "0.1"])
    main([*TINY, "--batches", "1", "--only", "fp8"])
    printed = capsys.readouterr().out
    assert (
        "- denoiser compiled whole, base, 1 images: needs about 135 s, and 6 s are left" in printed
    )
    assert "pipeline.torch.fp8 needs bfloat16, and a GPU of compute capability 8.9" in printed


def test_everything_is_measured_alone_and_together():
    base, refined = Schedule("base", 20, 8.0, 1.0), Schedule("with refiner", 60, 20.0, 0.8)
    rows = list(cases([1, 8, 16], [base, refined]))
    for schedule in (base, refined):
        for name in ("none", "together"):
            batches = {row.batch for row in rows if (row.name, row.schedule) == (name, schedule)}
            assert batches == ({8} if (name, schedule) == ("together", refined) else {1, 8, 16})
    assert len({(row.name, row.schedule, row.batch) for row in rows}) == len(rows)
    assert {row.batch for row in rows if row.name not in ("none", "together")} == {8}


@pytest.mark.parametrize(
    ("device", "product"),
    [
        ("NVIDIA H200", "H200"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA A100-SXM4-80GB", None),  # no result of MLPerf
        ("the CPU", None),
    ],
)
def test_a_device_is_compared_with_its_own_published_rate(device, product):
    gpu = published(device)
    assert (gpu.name if gpu else None) == product
