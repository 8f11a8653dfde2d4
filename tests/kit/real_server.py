"""A real server of OpenAI's protocol: `transformers serve` on this machine's CPU."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

READY_SECONDS = 300


@contextlib.contextmanager
def transformers(model: Path, home: Path) -> Iterator[str]:
    """The address of a server of the model in this folder, which ends with the context; `home`: an empty folder."""
    (home / "hub").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", model, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--device", "cpu", "--dtype", "float32"]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "CUDA_VISIBLE_DEVICES": ""}
    log = home / "log"
    with open(log, "w") as file:
        process = subprocess.Popen(command, env=env, stdout=file, stderr=subprocess.STDOUT)
    try:
        address, until = f"http://127.0.0.1:{port}", time.monotonic() + READY_SECONDS
        while not _healthy(address):
            assert process.poll() is None, f"the server ended: {log.read_text()[-2000:]}"
            assert time.monotonic() < until, f"the server did not come up in {READY_SECONDS} s"
            time.sleep(0.5)
        yield f"{address}/v1"
    finally:
        process.terminate()
        process.wait()


def _healthy(address: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
        return answer.status == 200
    return False
