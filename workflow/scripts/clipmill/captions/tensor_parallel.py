"""Loads a model whole, or split over several ranks."""

import os
import sys
from pathlib import Path


def load_model(auto, folder: Path, options: dict, settings: dict, device: str):
    """A model in evaluation mode on `device`, whole or split over `tp_size` ranks by `tp_backend`.

    `transformers`: the tensor-parallel plan that the model declares; a rank reads its own part only. `deepspeed`:
    AutoTP on the language model only, because it fails to split some vision towers (Qwen2.5-VL); every rank first reads
    the whole model into its memory.
    """
    size = int(settings["tp_size"])
    if size == 1:
        # Tensor by tensor to the device: the model is never whole in the memory of the host.
        place = {} if device == "cpu" else {"device_map": {"": device}}
        return auto.from_pretrained(folder, **options, **place).to(device).eval()
    _join_copy(size, device)
    if settings["tp_backend"] == "transformers":
        from transformers.distributed import DistributedConfig

        return auto.from_pretrained(folder, distributed_config=DistributedConfig(tp_size=size), **options).eval()
    import deepspeed

    if device == "cpu":
        # DeepSpeed's shared-memory all-reduce for CPUs, compiled on first use, crashes with two processes (0.19.8).
        sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None
    model = auto.from_pretrained(folder, **options).eval()
    language = model.get_decoder()
    owner, name = next(
        (module, name) for module in model.modules() for name, child in module.named_children() if child is language
    )
    engine = deepspeed.init_inference(
        language, tensor_parallel={"tp_size": size}, dtype=model.dtype, replace_with_kernel_inject=False
    )
    setattr(owner, name, engine.module)
    return model.to(device)


def _join_copy(size: int, device: str) -> None:
    """Make the ranks of this model copy their own process group, apart from the other copies' ranks."""
    import torch
    from torch.distributed import PrefixStore, TCPStore, init_process_group, is_initialized

    if is_initialized():
        return
    if device != "cpu":
        torch.cuda.set_device(device)
    rank = int(os.environ["RANK"])
    store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
    init_process_group(
        "gloo" if device == "cpu" else "nccl",
        store=PrefixStore(f"copy/{rank // size}", store),
        rank=rank % size,
        world_size=size,
    )
