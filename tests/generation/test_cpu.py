"""What a process that computes on the CPU asks of its libraries."""

import os
import subprocess
import sys

import pytest

from synthvlm.generation.cpu import prepare_cpu


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
    prepare_cpu(tmp_path / "cpuinfo")
    assert os.environ.get("MKL_CBWR") == after


@pytest.mark.parametrize(("before", "after"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_do_not_spin_unless_the_environment_says_so(
    before, after, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", before or "")
    if before is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    prepare_cpu(tmp_path / "cpuinfo")
    assert os.environ["OMP_WAIT_POLICY"] == after


PROGRAM = """
import resource
import numpy as np
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.loading import load_pipelines
from synthvlm.serving.settings_sources import load_settings

{call}
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(64 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


LOADING = """
mini = {"profile": "mini"}
engine = load_pipelines(load_settings(GenerationSettings, "generation", command_line=mini))
"""


@pytest.mark.parametrize("loaded", [True, False])
def test_a_second_tensor_faults_unless_an_engine_computes_on_the_cpu(loaded: bool) -> None:
    program = PROGRAM.format(call=LOADING if loaded else "")
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (int(ran.stdout) < 10) is loaded
