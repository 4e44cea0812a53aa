"""Work that must not take much longer than its input is long: done in a process that can be given up."""

import os
import subprocess
import sys

PATIENCE = 60
"""Seconds; what is tested takes a few, and would take very many if it went over its input again and again."""


def ended(program: str) -> str:
    """What the program prints, if it comes to its end; it may import what tests can."""
    here = os.path.dirname(__file__)  # noqa: PTH120  for a path of modules
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
        env={**os.environ, "PYTHONPATH": here},
    )
    return done.stdout.strip()
