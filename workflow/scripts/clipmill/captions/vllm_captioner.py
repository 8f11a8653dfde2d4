"""Captions by vLLM, which a job starts on its own GPUs: continuous batching, prefix cache, CUDA graphs."""

import json
import os
import secrets
import shutil
from pathlib import Path

from clipmill.captions.own_servers import HOST, OwnServers
from clipmill.captions.server_captioner import Sent, ServerCaptioner, ServerError
from clipmill.engine import weights
from clipmill.engine.shown import shown_lines

INSTALLED = Path(__file__).resolve().parents[4] / ".venv-vllm/bin/vllm"
"""Where `make env-vllm` puts it."""
KEY = "CLIPMILL_VLLM_KEY"
"""The environment variable of a key that only this job and its servers know: other users of the node get no answer."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_HOST_IP": HOST}
TRUSTED = {"mm_processor_kwargs", "media_io_kwargs"}
"""What vLLM takes from trusted requests only."""
ON_A_CPU = {"VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
"""2 GiB for the cache of keys and values in place of nearly all memory, and no core of its own; the environment of a
run says otherwise."""


class VllmCaptioner(ServerCaptioner):
    """The model in `vllm serve`: as many copies as the job has GPUs / `tp_size`, one copy on a machine without.

    It is a program in an environment of its own (`caption.vllm.program`), because it pins torch and transformers.
    `settings` is the `caption` block with `log`, the path of the job's log.
    """

    @staticmethod
    def threads(settings: dict) -> int:
        """The requests that this process has under way at any time, over all copies."""
        copies = int(os.environ.get("CLIPMILL_GPUS", 0)) // int(settings["tp_size"])
        return max(1, copies) * settings["vllm"]["concurrency"]

    def __init__(self, settings: dict, device: str = "cpu"):
        folder = weights.resolve(settings["model"], settings, "caption.model")
        copies = gpus_of_copies(device, int(settings["tp_size"]))
        program, key = found(settings["vllm"]["program"]), secrets.token_hex(16)
        path = os.pathsep.join([str(Path(program).parent), os.environ.get("PATH", "")])
        common = OFFLINE | {"VLLM_API_KEY": key, "PATH": path}
        if device == "cpu":
            common = {**ON_A_CPU, **{name: os.environ[name] for name in ON_A_CPU if name in os.environ}, **common}
        environments = [common | {"CUDA_VISIBLE_DEVICES": gpus} for gpus in copies]
        self.copies = OwnServers(
            lambda port: [program, "serve", str(folder), *arguments(settings, folder, device, port)],
            environments,
            Path(settings["log"]),
        )
        try:
            self.copies.wait(settings["server"]["wait"])
            os.environ[KEY] = key
            without_proxy()
            # They are ready now: one that does not answer is not loading.
            mine = {"url": self.copies.urls[0], "urls": self.copies.urls, "wait": 0, "api_key_env": KEY}
            mine |= {"model": weights.named(folder, settings)}
            super().__init__({**settings, "server": settings["server"] | mine}, device)
            self.made_by = {"engine": f"vllm {self.copies.version()}".strip(), "device": device.partition(":")[0]}
        except BaseException:
            self.copies.close()
            raise

    def close(self) -> None:
        """End the servers."""
        self.copies.close()

    def setup(self) -> dict:
        """What may change single words besides the model and its settings."""
        return self.made_by | {"tp_size": int(self.settings["tp_size"])}

    def _send(self, item: Sent, again: bool):
        self.copies.check()
        try:
            return super()._send(item, again)
        except Exception:
            # Where a server has died, its own words say more than those of the client.
            self.copies.check()
            raise

    def _fault(self, why: str) -> ServerError:
        logs = ", ".join(str(server.log) for server in self.copies.servers)
        text = f"caption.engine vllm (model {self.server['model']}): {why}; the servers' logs: {logs}"
        return ServerError(shown_lines(self.secret.hidden(text)))


def found(given: str | None) -> str:
    """The program: the one that is given, that of `make env-vllm`, or the one on the PATH. Raises FileNotFoundError."""
    if given is None:
        given = str(INSTALLED) if INSTALLED.exists() else "vllm"
    program = shutil.which(given)
    if program is None:
        raise FileNotFoundError(
            f"caption.engine vllm: there is no program {given}; `make env-vllm` installs it into .venv-vllm, "
            "or caption.vllm.program names it"
        )
    return os.path.abspath(program)


def gpus_of_copies(device: str, tp_size: int) -> list[str]:
    """CUDA_VISIBLE_DEVICES of each copy: `tp_size` of the job's GPUs each; of none, one copy on the CPU.

    Where nobody said how many GPUs the job has, it takes those of one copy.
    """
    if device == "cpu":
        return [""]
    count = int(os.environ.get("CLIPMILL_GPUS", 0)) or tp_size
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = visible.split(",")[:count] if visible else [str(number) for number in range(count)]
    if len(gpus) % tp_size:
        raise SystemExit(f"caption.tp_size {tp_size} does not divide the {len(gpus)} GPUs of this job")
    return [",".join(gpus[first : first + tp_size]) for first in range(0, len(gpus), tp_size)]


def arguments(settings: dict, folder: Path, device: str, port: int) -> list[str]:
    """The options of `vllm serve`, those of `caption.vllm.options` last and above ours."""
    vllm, server, dtype = settings["vllm"], settings["server"], settings["dtype"]
    options = {
        "host": HOST,
        "port": port,
        "served-model-name": weights.named(folder, settings),
        "dtype": ("float32" if device == "cpu" else "bfloat16") if dtype == "auto" else dtype,
        "tensor-parallel-size": settings["tp_size"],
        "trust-remote-code": settings["trust_remote_code"] or None,
        "max-model-len": vllm["max_model_len"],
        "gpu-memory-utilization": vllm["gpu_memory_utilization"],
        # What the model's folder says about sampling is not used, as by the other engines.
        "generation-config": "vllm",
        "disable-uvicorn-access-log": True,
        # Requests that say how pictures are read, as those with a video's times do; only this job can send any.
        "trust-request-mm-kwargs": bool(server["video"] or TRUSTED & server["extra_body"].keys()) or None,
    }
    options |= {name.replace("_", "-"): value for name, value in vllm["options"].items()}
    return [text for name, value in options.items() for text in argument(name, value)]


def argument(name: str, value) -> list[str]:
    """An option as the command line has it: true and false as `--name` and `--no-name`, lists and mappings as JSON."""
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", json.dumps(value) if isinstance(value, dict | list) else str(value)]


def without_proxy() -> None:
    """Keep this process's requests to its own machine away from a proxy that the environment names."""
    spared = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, [spared, HOST]))
