"""Draw the picture of the threshold page in the README: the page of a finished run, with some limits moved.

Example: python demo/screenshot.py results/demo docs/report.jpg
"""

import argparse
import shutil
import sys
from pathlib import Path

LIMITS = "#aes=6.5..&flow=..30&ocr_area=..0.05"
"""The limits that are shown, as the page's address holds them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="the results folder of a finished run")
    parser.add_argument("out", type=Path, help="the picture to write")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("needs Chromium (apt install chromium)")
    from playwright.sync_api import sync_playwright

    page = args.results / "report/index.html"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1250, "height": 1010})
        tab.goto(page.resolve().as_uri() + LIMITS)
        tab.wait_for_selector("#card-aes .edges .strip")
        tab.locator("#thresholds").evaluate("section => scrollTo(0, section.offsetTop - 75)")
        tab.wait_for_timeout(1500)
        tab.screenshot(path=args.out, type="jpeg", quality=72)
        browser.close()


if __name__ == "__main__":
    main()
