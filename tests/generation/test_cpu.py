"""A processor with AVX-512 is held to one order of summation, any other left alone."""

import os

import pytest

from synthvlm.generation.engines.summation import hold_summation


@pytest.mark.parametrize(
    ("flags", "before", "after"),
    [
        ("avx2 avx512f", None, "AVX512,STRICT"),
        ("avx2 avx512f", "AVX2,STRICT", "AVX2,STRICT"),
        ("avx2", None, None),
    ],
)
def test_only_avx512_is_held_and_only_if_nothing_is_said(
    flags, before, after, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("MKL_CBWR", before or "")
    if before is None:
        monkeypatch.delenv("MKL_CBWR")
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    hold_summation(tmp_path / "cpuinfo")
    assert os.environ.get("MKL_CBWR") == after
