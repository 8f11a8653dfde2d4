"""Chaos: random kills of a whole run, and random accidents to its files; afterwards the same command gives the same
bytes, or stops with a message that names the file and heals when it is repeated.

Seeded. One kill and a few accidents run with every test run; all of them are marked `slow` (make chaos).
"""

import os
import shutil
import signal
import subprocess
import sys
from random import Random

import pytest
from accidents import ACCIDENTS, kinds, products
from mill import Mill, footage

KILLS, DAMAGES = 30, 100
SHARDS = {"minutes": 0.002, "max": 3}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A finished run of several shards per phase. Never change it."""
    mill = Mill(tmp_path_factory.mktemp("chaos") / "undisturbed", shards=SHARDS)
    footage(mill.videos)
    mill.run()
    return mill


def kill(mill: Mill, random: Random) -> bool:
    """Start a run and kill all of its processes when it has written a random number of files; whether it still ran."""
    mark = random.randrange(1, 140)
    watched = (
        "import os, sys, pathlib, signal, subprocess, time\n"
        "run = subprocess.Popen(sys.argv[3:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "while run.poll() is None:\n"
        "    if sum(1 for _ in pathlib.Path(sys.argv[1]).rglob('*')) >= int(sys.argv[2]):\n"
        "        os.killpg(0, signal.SIGKILL)\n"
        "    time.sleep(0.02)\n"
    )
    command = [sys.executable, "-c", watched, str(mill.results), str(mark), *mill.command()]
    return subprocess.run(command, cwd=mill.folder, start_new_session=True, check=False).returncode == -signal.SIGKILL


def killed_and_healed(undisturbed: Mill, folder, seed: int) -> None:
    """Kill a fresh run, run it again, and compare."""
    mill = undisturbed.copy(folder)
    shutil.rmtree(mill.results)
    shutil.rmtree(mill.folder / ".snakemake")
    mill.seen.clear()
    kill(mill, Random(seed))
    mill.run("--unlock")
    mill.run("--rerun-incomplete")
    assert products(mill.results) == products(undisturbed.results), seed
    shutil.rmtree(folder)


def damaged_and_healed(mill: Mill, before: dict, seed: int) -> None:
    """One accident to one file, the same command, once more where it stopped and said so, and compare."""
    random = Random(seed)
    paths = random.choice(list(kinds(mill.results).values()))
    path, accident = random.choice(paths), random.choice(ACCIDENTS)
    status, what = path.stat(), f"{accident.__name__} {path.relative_to(mill.results)}, seed {seed}"
    if not status.st_size:
        return
    accident(path, random)
    if hidden := path.exists() and random.random() < 0.3:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = mill.run(ok=False)
    if again.code:
        assert path.name in again.text, what
        assert "run the same command again" in again.text, what
        mill.run()
    same = (
        path.exists() and hidden and path.stat().st_mtime_ns == status.st_mtime_ns and path.suffix in (".mp4", ".png")
    )
    if not (same and path.stat().st_size == status.st_size):  # a clip of the same size and time: `make audit` finds it
        assert products(mill.results) == before, what
    else:
        path.unlink()
        mill.run()


def test_a_kill_and_four_accidents(undisturbed, tmp_path):
    killed_and_healed(undisturbed, tmp_path / "killed", seed=0)
    mill, before = undisturbed.copy(tmp_path / "damaged"), products(undisturbed.results)
    for seed in range(4):
        damaged_and_healed(mill, before, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, KILLS))
def test_kills(undisturbed, tmp_path, seed):
    killed_and_healed(undisturbed, tmp_path / "killed", seed)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(first, first + 20) for first in range(100, 100 + DAMAGES, 20)], ids=str)
def test_accidents(undisturbed, tmp_path, seeds):
    mill, before = undisturbed.copy(tmp_path / "damaged"), products(undisturbed.results)
    for seed in seeds:
        damaged_and_healed(mill, before, seed)
