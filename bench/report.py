"""Measures the threshold page on invented clips: its size, what building it takes, and how smoothly a limit is dragged.

Example: PYTHONPATH=workflow/scripts:tests/kit python bench/report.py --clips 200000
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import scored_run
from browser import browser
from clipmill.engine import tables
from clipmill.plan import products
from mill import ROOT

DRAG = """async ({ name, steps }) => {
  const card = document.getElementById(`card-${name}`), plot = card.querySelector(".plot");
  const handle = card.querySelector(".handle.min"), frames = [];
  handle.setPointerCapture = () => {};
  const fire = (type, x) => handle.dispatchEvent(new PointerEvent(type, { pointerId: 1, clientX: x, bubbles: true }));
  card.scrollIntoView({ block: "center" });
  await new Promise((done) => setTimeout(done, 1000));
  const box = plot.getBoundingClientRect();
  fire("pointerdown", handle.getBoundingClientRect().left + 14);
  let last = await new Promise(requestAnimationFrame);
  for (let step = 0; step < steps; step++) {
    fire("pointermove", box.left + box.width * (0.5 + 0.4 * Math.sin(step / 15)));
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
  }
  return frames;
}"""


def main() -> None:
    """Make the clips, build their page in a process of its own, open it and drag."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=200_000, help="how many clips are invented")
    parser.add_argument("--page", type=Path, help="an existing page: only open it and drag")
    parser.add_argument("--steps", type=int, default=300, help="moves of the mouse, one per frame")
    args = parser.parse_args()
    if args.page:
        return drag(args.page.resolve(), args.steps)
    print(f"| {args.clips:,} clips | |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        mill = scored_run.pipeline(Path(folder) / "results")
        found = scored_run.rows(args.clips)
        scored_run.write(mill, found)
        scored_run.write_stores(mill, args.clips // scored_run.VIDEOS // scored_run.STEP + 10)
        selected = list(tables.read(Path(mill.results) / "tables/selected.csv"))
        scored_run.write_captions(mill, selected, text="a bright landscape video in warm colours. " * 12)
        del found, selected
        page = Path(mill.results) / "report/index.html"
        build(mill, page)
        drag(page, args.steps)
    return None


def build(mill, page: Path) -> None:
    """Build the page with its script, and print what that takes."""
    script = ROOT / "workflow/scripts/score_report.py"
    command = [sys.executable, script, "--settings", products.report(mill)["settings"], "--out", page]
    subprocess.run([*command, "--complete", page.with_name("complete.json")], check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    print(f"| size of the page | {page.stat().st_size / 1e6:.2f} MB |")
    print(f"| built in | {cpu:.1f} CPU s, {used.ru_maxrss / 1024:.0f} MiB at most |")


def drag(page: Path, steps: int) -> None:
    """Open the page, drag a limit, and print the times of the frames, and what the page's own thread computed."""
    with browser() as running:
        tab = running.new_page(viewport={"width": 1400, "height": 1000})
        started = time.monotonic()
        tab.goto(page.as_uri())
        tab.wait_for_selector("#yield strong")
        print(f"| opened, until it counts | {time.monotonic() - started:.2f} s |")
        inspector = tab.context.new_cdp_session(tab)
        inspector.send("Performance.enable", {"timeDomain": "threadTicks"})
        for name in ("aes", "flow"):
            before = computed(inspector)
            frames = sorted(tab.evaluate(DRAG, {"name": name, "steps": steps}))
            each = (computed(inspector) - before) / steps * 1000
            smooth = sum(frame < 33 for frame in frames) / len(frames)
            worst = frames[int(0.95 * len(frames))]
            print(f"| {name}: frames of a drag under 33 ms | {smooth:.1%} of {steps}; p95 {worst:.1f} ms |")
            print(f"| {name}: computing of the page's thread per frame | {each:.1f} ms |")


def computed(inspector) -> float:
    """Seconds that the page's thread has computed so far."""
    metrics = inspector.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


if __name__ == "__main__":
    main()
