"""Disks that are full soon: small file systems in memory."""

import subprocess
from pathlib import Path

import pytest


class SmallDisk:
    """A file system of ``kib`` KiB at ``path``; the test is skipped where none can be mounted."""

    def __init__(self, path: Path, kib: int) -> None:
        self.path = path
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount")
        if done.returncode:
            pytest.skip("file systems may not be mounted here")

    def enlarge(self, kib: int = 64 * 1024) -> None:
        """Makes room."""
        command = ["mount", "-o", f"remount,size={kib}k", str(self.path)]
        subprocess.run(command, capture_output=True, check=True)

    def unmount(self) -> None:
        """Takes it away, with what it holds."""
        subprocess.run(["umount", "-l", str(self.path)], capture_output=True, check=False)
