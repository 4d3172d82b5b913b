"""The processes that train together."""

import os
import subprocess
import sys

PRINTS_THREADS = """
from pathlib import Path

import torch

from synthvlm.profiles import load_profile
from synthvlm.training.processes import Processes
from synthvlm.training.settings import training_settings
from synthvlm.training.trainer import Stage, training_arguments

settings = training_settings({**load_profile("mini").section("training"), "threads": 3})
processes = Processes(settings)
training_arguments(Stage(0, "pretrain", 1), settings, processes, Path()).device
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
