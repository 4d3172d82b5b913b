"""Memory that was freed is used again without the kernel, once an engine is loaded."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from synthvlm.generation.config import GenerationSettings
from synthvlm.generation.loading import load_pipelines
from synthvlm.serving.sources import load_settings

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
