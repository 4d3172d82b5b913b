"""What holds for every test process, before it imports anything else."""

import os

# Test processes share the cores with one another and with the services that they start: torch's
# threads must not spin while they wait. torch reads it when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
