"""Memory that was freed is used again without the kernel."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from synthvlm.generation.engines.memory import keep_memory

{call}
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(64 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


@pytest.mark.parametrize("kept", [True, False])
def test_a_second_tensor_faults_only_where_memory_is_given_back(kept: bool) -> None:
    program = PROGRAM.format(call="keep_memory()" if kept else "")
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (int(ran.stdout) < 10) is kept
