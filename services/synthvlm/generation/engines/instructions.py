"""Which instructions a CPU's libraries may use, so that an image does not depend on its batch."""

import os
from pathlib import Path
from typing import Final

_CPU: Final = Path("/proc/cpuinfo")
_VARIABLES: Final = {"MKL_CBWR": "AVX2,STRICT", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def settle_instructions(cpu: Path = _CPU) -> None:
    """Keeps oneMKL and oneDNN to AVX2 where there is AVX-512.

    There they choose kernels by a batch's size and by how memory is aligned, whose sums differ in
    the last bit. What the environment says already stays. Both libraries read it when they first
    compute: call this before.

    Args:
        cpu: Linux's description of the processor.
    """
    if cpu.exists() and "avx512f" in cpu.read_text():
        for name, value in _VARIABLES.items():
            os.environ.setdefault(name, value)
