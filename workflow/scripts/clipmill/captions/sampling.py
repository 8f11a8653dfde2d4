"""How a model's next word is chosen: the likeliest one, or one that is drawn. What is drawn for an item depends on the
item's own seed, never on the other rows of its batch."""

FOLDERS = (
    "do_sample", "temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff",
    "repetition_penalty", "encoder_repetition_penalty", "length_penalty", "no_repeat_ngram_size", "num_beams",
    "num_beam_groups", "diversity_penalty", "penalty_alpha", "early_stopping", "max_length", "max_new_tokens",
    "min_length", "min_new_tokens", "num_return_sequences", "guidance_scale",
)  # fmt: skip
"""Keys of a model folder's generation_config.json that change what is said. The configuration decides them instead."""
PLAIN = (None, False, 1, 1.0, 0, 0.0)
"""Values that change nothing, whichever key has them."""
GREEDY = {
    "temperature": 0.0,
    "top_p": None,
    "top_k": None,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "min_tokens": 0,
    "seed": 0,
}
"""`caption.sampling` by default."""


def set_aside(generation_config) -> dict:
    """Take from a model's generation settings those that change what is said, and give them back; which tokens begin,
    end and pad a text stays."""
    found = {name: getattr(generation_config, name, None) for name in FOLDERS}
    for name in found:
        if hasattr(generation_config, name):
            setattr(generation_config, name, None)
    return {name: value for name, value in found.items() if not isinstance(value, str) and value not in PLAIN}


def options(sampling: dict, least_penalty: float = 1.0) -> dict:
    """The arguments of `generate` for these `caption.sampling` settings, which count the prompt's tokens as said."""
    penalty = max(sampling["repetition_penalty"], least_penalty)
    given = {"repetition_penalty": penalty} if penalty != 1.0 else {}
    return given | ({"min_new_tokens": sampling["min_tokens"]} if sampling["min_tokens"] else {})


def processors(sampling: dict, prompt: int, seeds: list[int], device: str) -> list:
    """What changes the scores of the next token, in its order: (rows, tokens so far), (rows, vocabulary) -> scores.

    `prompt`: tokens of the prompt; `seeds`: one per row. Afterwards the highest score is the token chosen.
    """
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    found = [Presence(sampling["presence_penalty"], prompt)] if sampling["presence_penalty"] else []
    if not sampling["temperature"]:
        return found
    found.append(TemperatureLogitsWarper(float(sampling["temperature"])))
    found += [TopKLogitsWarper(sampling["top_k"])] if sampling["top_k"] else []
    found += [TopPLogitsWarper(sampling["top_p"])] if sampling["top_p"] is not None else []
    return [*found, Drawn(seeds, device)]


class Presence:
    """Lowers the score of every token that the answer already holds, once (OpenAI's and vLLM's presence penalty)."""

    def __init__(self, penalty: float, prompt: int):
        self.penalty, self.prompt = penalty, prompt

    def __call__(self, input_ids, scores):
        """Scores after the penalty."""
        import torch

        said = torch.zeros_like(scores).scatter_(1, input_ids[:, self.prompt :], 1.0)
        return scores - self.penalty * said


class Drawn:
    """Adds Gumbel noise of each row's own generator: the highest score is then a draw from the scores' softmax."""

    def __init__(self, seeds: list[int], device: str):
        import torch

        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids, scores):
        """Scores with noise, in float32."""
        import torch

        scores = scores.float()
        for row, generator in zip(scores, self.generators, strict=True):
            row -= torch.empty_like(row).exponential_(generator=generator).log()
        return scores
