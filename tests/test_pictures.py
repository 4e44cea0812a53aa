"""The pictures of the documentation can be made anew, and are what a page can load at once."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMES = ["run-done-dark.png", "run-live.png", "run-question.png"]
LARGEST = 60_000


def check(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    for path in folder.iterdir():
        data = path.read_bytes()
        assert len(data) <= LARGEST
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", data[16:24])
        assert width == 760
        assert 400 < height <= 920


def test_the_documentation_has_its_pictures() -> None:
    check(ROOT / "docs" / "pictures")


@pytest.mark.slow
@pytest.mark.browser
def test_they_can_be_made_anew(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "tests" / "pictures.py", tmp_path / "made"],
        env={**os.environ}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    check(tmp_path / "made")
