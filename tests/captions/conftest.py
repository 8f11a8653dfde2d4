"""Fixtures of the tests of captioners."""

import os

import captioning
import pytest
import tiny_transformers

os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="package")
def folders(tmp_path_factory):
    """Folders of tiny models of the real classes, by name."""
    folder = tmp_path_factory.mktemp("models")
    kinds = (tiny_transformers.llava_next, tiny_transformers.qwen25vl)
    return {make.__name__: make(folder / make.__name__) for make in kinds}


@pytest.fixture
def store(tmp_path):
    """Clips in a frame store: (rows, places)."""
    return captioning.stored(tmp_path)


@pytest.fixture
def scripted():
    """A server that answers by a script."""
    script = captioning.Script()
    yield script
    script.close()
