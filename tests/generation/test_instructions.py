"""A processor with AVX-512 is kept to AVX2, any other left alone."""

import os

import pytest

from synthvlm.generation.engines.instructions import settle_instructions


@pytest.mark.parametrize(("flags", "expected"), [("avx2 avx512f", "AVX2"), ("avx2", None)])
def test_only_avx512_is_given_up(flags, expected, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MKL_CBWR", "mine")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    settle_instructions(tmp_path / "cpuinfo")
    assert os.environ.get("ONEDNN_MAX_CPU_ISA") == expected
    assert os.environ["MKL_CBWR"] == "mine"
