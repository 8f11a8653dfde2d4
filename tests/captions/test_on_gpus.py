"""What only a GPU can show: bfloat16, a memory that is really full, NCCL, one model over two GPUs.

`make test-gpu` says of each why it is skipped. None has run on a GPU yet: they were written where there was none.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from captioning import SETTINGS, requests
from clipmill.captions.transformers_captioner import TransformersCaptioner
from clipmill.engine.batches import Batches

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
pytestmark = pytest.mark.gpu


@pytest.fixture
def gpus():
    """How many GPUs there are; skips where there is none."""
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU, and this machine has none that torch can use")
    return torch.cuda.device_count()


@pytest.fixture
def nearly_full(gpus):
    """A function that takes all memory of the first GPU but so many bytes; what it took is given back afterwards."""
    taken = []

    def take(left: int) -> None:
        torch.cuda.empty_cache()
        taken.append(torch.empty(max(0, torch.cuda.mem_get_info(0)[0] - left), dtype=torch.uint8, device="cuda:0"))

    yield take
    taken.clear()
    torch.cuda.empty_cache()


def test_a_gpu_gives_what_a_cpu_gives(gpus):
    weights = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    items = [torch.full((2, 3), float(number)) for number in range(1, 22)]

    def network(device):
        return lambda batch: batch.flatten(1) @ weights.to(device)

    on_gpu, on_cpu = (Batches(network(device), 16, device)(items) for device in ("cuda:0", "cpu"))
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["llava_next", "qwen25vl"])
def test_captions_are_made_in_bfloat16(gpus, folders, name):
    model = TransformersCaptioner({**SETTINGS, "model": str(folders[name])}, "cuda:0")
    assert model.generator.model.dtype == torch.bfloat16
    assert model.setup() == {"device": torch.cuda.get_device_name(), "dtype": "bfloat16", "rows": 4, "tp_size": 1}
    prepared = [model.prepare(item) for item in requests()]
    said = model.caption(prepared)
    assert len(said) == len(prepared)
    assert all(caption.output_tokens > 0 for caption in said)
    assert said == model.caption(prepared), "the same batches give the same words"


LOADED = """
import sys, threading
import torch
from transformers import AutoModelForCausalLM
from clipmill.captions.tensor_parallel import load_model

def anonymous():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon")) / 1024

def watch():
    while not done.wait(0.005):
        seen.append(anonymous())

torch.ones(1, device="cuda:0")
done, seen = threading.Event(), [anonymous()]
watching = threading.Thread(target=watch)
watching.start()
model = load_model(AutoModelForCausalLM, sys.argv[1], {"dtype": torch.bfloat16}, {"tp_size": 1}, "cuda:0")
done.set()
watching.join()
megabytes = sum(each.numel() * each.element_size() for each in model.parameters()) / 2**20
assert {each.device.type for each in model.parameters()} == {"cuda"}
assert megabytes > 300, megabytes
assert max(seen) - seen[0] < megabytes / 2, (seen[0], max(seen), megabytes)
"""


def test_a_model_is_never_whole_in_the_memory_of_the_host(gpus, tmp_path):
    """The weights lie there in float32 and are loaded as bfloat16, so they cannot be mapped from the file."""
    config = transformers.MistralConfig(
        vocab_size=1000,
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=12,
        num_attention_heads=16,
        num_key_value_heads=8,
    )
    transformers.MistralForCausalLM(config).save_pretrained(tmp_path / "model")
    (tmp_path / "program.py").write_text(LOADED)
    command = [sys.executable, tmp_path / "program.py", tmp_path / "model"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(SCRIPTS)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_scorer_survives_a_memory_that_is_full(nearly_full, capsys):
    """A row takes 64 MiB besides its input, and 1 GiB is left: 64 rows cannot fit, and some can."""

    def network(batch):
        return batch.sum(dim=1)[:, None].expand(-1, 2**24).clone().mean(dim=1)

    batches = Batches(network, 64, "cuda:0")
    items = [torch.full((3,), float(number)) for number in range(100)]
    nearly_full(2**30)
    assert batches(items).tolist() == [3.0 * number for number in range(100)]
    assert 4 <= batches.rows < 64
    assert "out of GPU memory" in capsys.readouterr().err


def test_a_captioner_survives_a_memory_that_is_full(nearly_full, folders, capsys):
    """Its cache of keys and values grows with the rows: 4,096 of them do not fit into what is left."""
    model = TransformersCaptioner({**SETTINGS, "model": str(folders["llava_next"]), "batch": 4096}, "cuda:0")
    prepared = [model.prepare(requests(1)[0])] * 4096
    few = model.caption(prepared[:4])
    nearly_full(2**29)
    said = model.caption(prepared)
    assert len(said) == 4096
    assert all(caption.output_tokens > 0 for caption in said)
    assert len(few) == 4
    assert model.generator.rows < 4096
    assert model.setup()["halved"] is True
    assert "out of memory: continuing with" in capsys.readouterr().err


NCCL = """
import os, sys, torch
import torch.distributed as dist
rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
torch.cuda.set_device(rank)
dist.init_process_group("nccl")
number = torch.full((1000,), float(rank + 1), dtype=torch.bfloat16, device="cuda")
dist.all_reduce(number)
assert number.unique().tolist() == [size * (size + 1) / 2], number
dist.destroy_process_group()
"""

SHARED = """
import json, os, sys
from pathlib import Path
import torch
import transformers
from captioning import SETTINGS, requests
from clipmill.captions.transformers_captioner import TransformersCaptioner

folder, backend, out = sys.argv[1:]
rank = int(os.environ["RANK"])
settings = {**SETTINGS, "model": folder, "tp_size": 2, "tp_backend": backend, "dtype": "float32"}
model = TransformersCaptioner(settings, f"cuda:{rank}")
said = model.caption([model.prepare(item) for item in requests()])
weight = model.generator.model.get_decoder().layers[0].mlp.gate_proj.weight
rows = getattr(weight, "to_local", lambda: weight)().shape[0]
Path(out, f"{rank}.json").write_text(json.dumps({"said": said, "rows": rows}))
"""


def ranks(count: int, program: str, folder: Path, *arguments) -> None:
    """Run a program as so many ranks of torchrun."""
    (folder / "program.py").write_text(program)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    paths = os.pathsep.join([str(SCRIPTS), str(SCRIPTS.parents[1] / "tests/kit")])
    command += [str(folder / "program.py"), *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_nccl_adds_up_over_all_gpus(gpus, tmp_path):
    ranks(gpus, NCCL, tmp_path)


@pytest.mark.parametrize("backend", ["transformers", "deepspeed"])
def test_two_gpus_share_a_model(gpus, folders, tmp_path, backend):
    if gpus < 2:
        pytest.skip(f"needs two GPUs, and this machine has {gpus}")
    ranks(2, SHARED, tmp_path, folders["llava_next"], backend, tmp_path)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second, "both ranks of a copy say the same"
    settings = {**SETTINGS, "model": str(folders["llava_next"]), "dtype": "float32"}
    alone = TransformersCaptioner(settings, "cuda:0")
    whole = alone.generator.model.get_decoder().layers[0].mlp.gate_proj.weight.shape[0]
    assert first["rows"] == whole // 2, "each holds half"
    assert len(first["said"]) == len(requests())
