"""Configures the libraries of a process that computes images on the CPU: OpenMP, oneMKL, glibc."""

import ctypes
import os
from pathlib import Path
from typing import Final

_CPU: Final = Path("/proc/cpuinfo")
_WAITING: Final = "OMP_WAIT_POLICY"
_SUMMATION: Final = "MKL_CBWR"
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGEST: Final = 2**31 - 1


def prepare_cpu(cpu: Path = _CPU) -> None:
    """Sets how OpenMP waits and oneMKL sums, unless the environment already does.

    Call it before torch is loaded: OpenMP reads the environment when it is loaded, oneMKL when it
    first computes.

    OpenMP's threads spin while they wait for one another. If other processes compete for the cores
    (a laptop, a node without pinned CPUs), each of the thousand small operations of a denoising
    step then waits for a spinning thread's time slice to end: measured on 2 cores beside one busy
    process, 425 ms instead of 44 ms for an image's step. So spinning is switched off.

    With AVX-512, oneMKL chooses kernels by the number of rows and by memory alignment, and their
    sums differ in the last bit. Its strict conditional numerical reproducibility gives each row the
    same sum regardless of the other rows, so that an image does not depend on its batch.

    Args:
        cpu: Linux's description of the processor.
    """
    os.environ.setdefault(_WAITING, "PASSIVE")
    if cpu.exists() and "avx512f" in cpu.read_text():
        os.environ.setdefault(_SUMMATION, "AVX512,STRICT")


def keep_memory() -> None:
    """Makes glibc keep freed memory for the next tensors, instead of returning it to the kernel.

    Every operation of a network allocates its result. Returned memory has to be mapped again, page
    by page: 10,000 to 90,000 page faults in a batch of 16 small images, and none once it is kept.
    The process never holds more than its peak. Does nothing with other C libraries.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            mallopt(parameter, _LARGEST)
