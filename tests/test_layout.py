"""What is in the repository is what is installed, and it keeps to the shape that CONTRIBUTING.md draws."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
FOLDERS: dict[str, str] = SETUPTOOLS["package-dir"]
"""The folder of each package that is mapped; a package below it lies in the folder of its name."""
OTHERS = ("tests", "benchmarks", "examples", "docs")
"""Folders whose Python files are not installed."""
LONGEST = 400
"""Lines of a Python file."""
MACHINE_PATH = re.compile(r"(?<![\w.~:/$}-])/(?:home|Users|root|work|opt|mnt|srv)/\w+")


def test_every_folder_with_python_files_is_a_package_that_gets_installed() -> None:
    there = {file.parent for file in _files() if file.suffix == ".py" and file.parts[0] not in OTHERS}

    assert {_folder(package) for package in SETUPTOOLS["packages"]} == there


def test_the_links_in_the_root_package_point_to_the_folders_that_are_mapped() -> None:
    mapped = {package: folder for package, folder in FOLDERS.items() if package != "guildhall"}
    links = {f"guildhall.{link.name}": link for link in (ROOT / "guildhall").iterdir() if link.is_symlink()}

    assert links.keys() == mapped.keys()
    for package, link in links.items():
        assert link.readlink() == Path("..") / mapped[package]


@pytest.mark.parametrize("package", SETUPTOOLS["packages"])
def test_what_a_package_exports_is_sorted_and_there(package: str) -> None:
    module = importlib.import_module(package)
    exported = list(getattr(module, "__all__", ()))

    assert exported == sorted(set(exported))
    assert [name for name in exported if not hasattr(module, name)] == []


def test_a_folder_imports_only_what_is_below_it() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_file_can_be_read_in_one_sitting() -> None:
    lines = {file: _text(file).count("\n") for file in _files() if file.suffix == ".py"}

    assert {str(file): count for file, count in lines.items() if count > LONGEST} == {}


def test_nothing_names_a_place_of_one_machine() -> None:
    found = [f"{file}: {path}" for file in _files() for path in MACHINE_PATH.findall(_text(file))]

    assert found == []


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(tmp_path: Path) -> None:
    copy, out = tmp_path / "copy", tmp_path / "dist"
    for file in _files():  # built from a copy, so that no build of before can lend it files
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, copy / file, follow_symlinks=False)
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(copy)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("*.whl")

    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == {place for file in _files() if (place := _place_in_wheel(file))}


def _files() -> list[Path]:
    """The files that git keeps or would keep, relative to the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    files = [Path(os.fsdecode(name)) for name in listed.split(b"\0") if name]
    return sorted({file for file in files if (ROOT / file).exists()})


def _folder(package: str) -> Path:
    """Where the files of the package are."""
    top = max((name for name in FOLDERS if f"{package}.".startswith(f"{name}.")), key=len)
    return Path(FOLDERS[top], *package.removeprefix(top).split(".")[1:])


def _place_in_wheel(file: Path) -> str:
    """Where a file of the repository stands in the wheel; empty if it is not part of a package."""
    mapped = next((package for package, folder in FOLDERS.items() if folder == file.parts[0]), None)
    if mapped is None or (ROOT / file).is_symlink():
        return ""
    return "/".join([*mapped.split("."), *file.parts[1:]])


def _text(file: Path) -> str:
    path = ROOT / file
    return "" if path.is_symlink() else path.read_text("utf-8", errors="ignore")
