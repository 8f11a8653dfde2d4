"""Run the benchmarks that the documents name, and write what they print into them.

    make bench                                     all of them: some hours on a quiet machine
    make bench ARGS="scan feeding"                 some of them, by the name of their file in bench/
    make bench ARGS=scan VIDEOS=/data/raw          on footage of your own, where the benchmark takes any

In a document (docs/*.md) a benchmark is a comment with its command, the text that it printed, and a comment that ends
it:

    <!-- bench/feeding.py --runs 5 -->
    ...
    <!-- end -->

VIDEOS in a command stands for the folder of footage, FILMS for that of what bench/enlarge.py makes of it. All other
text stays. A benchmark that fails leaves its text as it is; the others are run, and the program ends with 1.
"""

import argparse
import os
import platform
import re
import shlex
import subprocess
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(
    r"(?P<begin><!-- (?P<command>bench/(?P<name>\w+)\.py[^\n]*) -->\n).*?(?P<end><!-- end -->)", re.DOTALL
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="benchmarks to run (default: all)")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="the folder of the documents")
    parser.add_argument("--videos", default="sample/videos", help="what VIDEOS stands for")
    parser.add_argument("--films", default="sample/films", help="what FILMS stands for")
    args = parser.parse_args()
    blocks = [(path, block) for path in sorted(args.docs.glob("*.md")) for block in BLOCK.finditer(path.read_text())]
    names = {block["name"] for _, block in blocks}
    if unknown := set(args.names) - names:
        parser.error(f"no document has {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}")
    failed = []
    for path, block in blocks:
        if block["name"] in (args.names or names):
            text = printed(block["command"], {"VIDEOS": args.videos, "FILMS": args.films})
            if text is None:
                failed.append(block["command"])
            else:
                replace(path, block["command"], text)
    if failed:
        sys.exit("failed, and left as they were:\n" + "\n".join(failed))


def printed(command: str, folders: dict[str, str]) -> str | None:
    """What a benchmark prints; None where it fails. What it says to the terminal is seen there."""
    print(command, file=sys.stderr, flush=True)
    words = shlex.split(command)
    for name, folder in folders.items():
        words = [word.replace(name, folder) for word in words]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    return None if done.returncode else done.stdout.strip()


def replace(document: Path, command: str, text: str) -> None:
    """Puts a benchmark's text into the document, with the day and the machine."""
    new = f"\n{text}\n\n*{machine()}*\n\n"
    before = document.read_text(encoding="utf-8")
    after = BLOCK.sub(
        lambda found: found["begin"] + new + found["end"] if found["command"] == command else found[0], before
    )
    document.write_text(after, encoding="utf-8")


def machine() -> str:
    """When and on what: the day, cores, kind of processor, Python."""
    linux = platform.system() == "Linux"
    names = re.findall(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE) if linux else []
    count = len(os.sched_getaffinity(0)) if linux else os.cpu_count()
    cores = "one core" if count == 1 else f"{count} cores"
    processor = names[0] if names else platform.machine()
    return f"{date.today()}, {cores} of {processor}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
