"""Run a step's script as one process, or as torchrun ranks that share the GPUs and CPUs of the job.

    exec python workflow/scripts/launch.py --gpus {resources.gpu} --ranks {resources.ranks} --threads {threads} SCRIPT

One rank per GPU; without GPUs, as many ranks as asked for; with `--together` one process that has all of them. Each
rank gets its own device and its share of the CPUs, for the threads that prepare items. SIGTERM, SIGINT and SIGUSR1
(which a cluster may send ahead of a time limit) reach every rank as SIGTERM, perhaps twice, and the launcher waits
until all of them have left. In a rule `exec` must stand before `python`: a shell in between would die of SLURM's
SIGTERM at once and end the job before the ranks have written what they have.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def main() -> int:
    """Parse the command line, run the script and return its exit status (143 if it was told to stop and did)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, default=0, help="GPUs of the job: one rank per GPU (0: none)")
    parser.add_argument("--ranks", type=int, default=1, help="ranks of a job without GPUs")
    parser.add_argument("--together", action="store_true", help="one process that has all GPUs and CPUs of the job")
    parser.add_argument("--threads", type=int, default=1, help="CPUs of the job, which the ranks share")
    parser.add_argument(
        "--ask", action="store_true", help="start ranks only where the script, run with --ask, has something to compute"
    )
    parser.add_argument("script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="passed on to the script")
    args = parser.parse_args()
    ranks = 1 if args.together else max(1, args.gpus or args.ranks)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and len(visible.split(",")) < args.gpus:
        parser.error(f"the job should have {args.gpus} GPUs, but CUDA_VISIBLE_DEVICES is '{visible}'")
    share = str(max(1, args.threads // ranks))
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "CLIPMILL_GPUS": str(args.gpus),
        "CLIPMILL_THREADS": share,
        # Threads prepare items side by side, each on one CPU; and the last bits of a network's result on a CPU depend
        # on the number of threads.
        "OMP_NUM_THREADS": "1",
    }
    if ranks == 1:
        return supervise([sys.executable, args.script, *args.arguments], environment)
    if args.ask:  # ranks take seconds each to start
        status = supervise([sys.executable, args.script, *args.arguments, "--ask"], environment)
        if status != os.EX_TEMPFAIL:
            return status
    import tempfile

    # --standalone: a free port and an id of its own, so that two jobs on one node never meet. The addresses are given
    # because looking up the node's own name fails or stalls on many clusters.
    environment["GLOO_SOCKET_IFNAME"] = "lo"
    environment["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"] = "25"  # SLURM itself waits for 30 seconds (KillWait)
    with tempfile.TemporaryDirectory() as errors:
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
        torchrun += [f"--nproc-per-node={ranks}", f"--log-dir={errors}", "--signals-to-handle=SIGQUIT"]
        command = [*torchrun, __file__, "--as-rank", args.script, *args.arguments]
        return supervise(command, environment, children, preexec_fn=ignore_stop)


def ignore_stop() -> None:
    """Make torchrun's agent ignore SIGTERM: SLURM sends it twice, and at the second the agent would leave its ranks."""
    for number in STOP:
        signal.signal(number, signal.SIG_IGN)


def children(process: subprocess.Popen) -> list:
    """The processes that a process has started."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children()
    return []


def supervise(command: list[str], environment: dict[str, str], ranks: Callable = lambda one: [one], **popen) -> int:
    """Run a command to its end, forward a signal to stop to its ranks as SIGTERM (once each); return the exit status.

    `ranks` gives the processes to signal, from that of the command: itself by default.
    """
    stop: list[int] = []
    for number in STOP:
        signal.signal(number, lambda number, frame: stop.append(number))
    process = subprocess.Popen(command, env=environment, **popen)
    told: set[int] = set()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(timeout=0.2)
            break
        for rank in ranks(process) if stop else ():
            if rank.pid not in told:
                told.add(rank.pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rank.pid, signal.SIGTERM)
    if stop and status:
        return 128 + signal.SIGTERM
    return 128 - status if status < 0 else status


def as_rank(script: str, arguments: list[str]) -> None:
    """Become one rank: stop ignoring signals, take the device, run the script, leave its error to torchrun."""
    import runpy

    from torch.distributed.elastic.multiprocessing.errors import record

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    devices = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    if devices[0].startswith("MIG-"):  # CUDA shows a process the first MIG slice only, so each rank gets one to itself
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[int(os.environ["LOCAL_RANK"])]
        os.environ["LOCAL_RANK"] = "0"
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).parent)
    record(runpy.run_path)(script, run_name="__main__")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--as-rank"]:
        as_rank(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main())
