"""How a CPU's library may sum, so that an image does not depend on its batch."""

import os
from pathlib import Path
from typing import Final

_CPU: Final = Path("/proc/cpuinfo")
_VARIABLE: Final = "MKL_CBWR"
_MODE: Final = "AVX512,STRICT"


def hold_summation(cpu: Path = _CPU) -> None:
    """Holds oneMKL to one order of summation where there is AVX-512.

    There it chooses kernels by the number of rows and by how memory is aligned, and their sums
    differ in the last bit. Its strict conditional numerical reproducibility gives each row the same
    sum whatever stands beside it. What the environment says already stays. oneMKL reads it when it
    first computes: call this before.

    Args:
        cpu: Linux's description of the processor.
    """
    if cpu.exists() and "avx512f" in cpu.read_text():
        os.environ.setdefault(_VARIABLE, _MODE)
