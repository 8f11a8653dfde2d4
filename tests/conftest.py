"""Fixtures that several test files use."""

from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
LONG = ["test_same_bytes", "test_slurm", "test_reruns", "test_demo", "test_inputs", "test_odd_files"]
"""Files that take minutes. They come first, so that the processes that share the tests finish together."""

settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True, max_examples=100)
settings.load_profile("repeatable")
# The examples are the same in each run; `--hypothesis-seed=random` with the profile "default" looks further.


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real footage and weights next to the repository on some machines."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared (real footage and weights), which is not part of the product")
    return folder


@pytest.fixture(scope="module")
def one_thread():
    """As the launcher gives each rank: bits depend on the number of threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def reel(tmp_path_factory) -> Path:
    """The sample reel: a folder with videos/ and truth.json."""
    from reel import make

    folder = tmp_path_factory.mktemp("reel")
    make(folder)
    return folder


@pytest.fixture(scope="session")
def finished_mill(tmp_path_factory):
    """A finished run on small footage. Never change it: `finished` gives a copy."""
    from mill import Mill, footage

    mill = Mill(tmp_path_factory.mktemp("mill") / "finished")
    footage(mill.videos)
    mill.run()
    return mill


@pytest.fixture
def finished(finished_mill, tmp_path):
    """A copy of a finished run on small footage, which a test may change."""
    return finished_mill.copy(tmp_path / "mill")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))
