"""A real browser for tests of pages: the system's Chromium, driven by Playwright."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest

FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"]


def chromium() -> str:
    """The path of Chromium. It is installed from the system's packages where that is allowed; otherwise the test is
    skipped."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update"], capture_output=True)
        install = ["apt-get", "install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
        subprocess.run(install, capture_output=True)
        found = shutil.which("chromium")
    if not found:
        pytest.skip("needs Chromium (apt install chromium), which is not part of the product")
    return found


@contextmanager
def browser():
    """A running browser, closed at the end."""
    pytest.importorskip("playwright", reason="needs Playwright (make env)")
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()
