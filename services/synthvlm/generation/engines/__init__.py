"""The engines, one module each, imported only when the profile chooses them."""

import os

from synthvlm.generation.engines.summation import hold_summation

# OpenMP's threads spin while they wait for one another. Where other processes want the same cores
# (a laptop, a node without pinned CPUs), each of the thousand small operations of a denoising step
# then waits for a spinning thread's time slice to end: measured here, on 2 cores beside one busy
# process, 425 ms instead of 44 ms for an image's step. Must be set before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

hold_summation()
