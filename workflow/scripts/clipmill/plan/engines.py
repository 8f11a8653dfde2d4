"""What runs the captioner's model, and the mistakes that a configuration can make about it."""

from collections.abc import Iterator

OURS = ("host", "port", "uds", "api-key", "hf-token", "served-model-name", "tensor-parallel-size", "headless", "config")
"""Options of `vllm serve` that the job itself sets, that would take its server away from it, or that hold a secret."""


def engine(caption: dict) -> str:
    """`transformers`, `vllm` or `server`: what the block `caption` says, or what its other keys ask for."""
    return caption["engine"] or ("server" if caption["server"]["url"] else "transformers")


def mistakes(caption: dict, block: str) -> Iterator[str]:
    """What is wrong about the engine in a captioner's block, a line each, without the block's name."""
    chosen, url = engine(caption), caption["server"]["url"]
    if chosen == "server" and not url:
        yield f"server.url: null is wrong; with {block}.engine: server it must be the server's address"
    if chosen != "server" and url:
        yield (
            f"engine: {chosen} and {block}.server.url contradict each other: the address is that of a server "
            "that runs already. Take one of them away"
        )
    if chosen == "vllm" and caption["model"] == "attributes":
        yield f"model: 'attributes' is no model that vllm can load; name one, or take {block}.engine away"
    for name in caption["vllm"]["options"]:
        if name.replace("_", "-") in OURS:
            yield f"vllm.options: {name} is set by the job itself, or by another key; take it away"
