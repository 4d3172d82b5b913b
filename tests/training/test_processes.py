"""The processes that train together."""

import os
import subprocess
import sys

PRINTS_THREADS = """
import torch

from synthvlm.profiles import load_profile
from synthvlm.training.processes import Processes
from synthvlm.training.settings import training_settings

Processes(training_settings({**load_profile("mini").section("training"), "threads": 3}))
print(torch.get_num_threads())
"""


def test_a_process_alone_computes_with_as_many_threads_as_the_settings_say():
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python"]
    ran = subprocess.run(
        [*launcher, sys.executable, "-c", PRINTS_THREADS],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["3"]
