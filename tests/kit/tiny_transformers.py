"""Models of the real classes with a few ten thousand random parameters, saved as folders that the real loaders read."""

from pathlib import Path

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

WORDS = "the a cat dog sits runs in on red blue house tree man woman walks slowly and under bright sky"
LLAVA_CHAT = (
    "{% for m in messages %}{{ '<s>' }}{{ m['role'] }}: {% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{% endif %}{{ '</s>' }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)
QWEN_CHAT = (
    "{% for m in messages %}{{ m['role'] }}: {% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif c['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{{ '</s>' }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


def _tokenizer(chat: str, special: tuple[str, ...] = ()) -> transformers.PreTrainedTokenizerFast:
    """A byte-level tokenizer of the 256 bytes and a few English words."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<pad>", "<s>", "</s>", *alphabet])}
    merges = []
    for word in (f"\u0120{word}" for word in WORDS.split()):
        for length in range(2, len(word) + 1):
            if word[:length] not in vocabulary:
                merges.append((word[: length - 1], word[length - 1]))
                vocabulary[word[:length]] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", padding_side="right"
    )
    fast.add_tokens([AddedToken(token, special=True) for token in special], special_tokens=True)
    fast.chat_template = chat
    return fast


def _language(tokenizer, **more) -> dict:
    """The part that text models share; wide enough that tensor parallelism gives both ranks some of everything."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        # Random weights this large make each next word depend on the prompt, pictures included.
        "initializer_range": 0.2,
        **more,
    }


def _save(folder: Path, model, processor, image_token=None) -> Path:
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 2, 0
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def llava_next(folder: Path, seed: int = 0) -> Path:
    """A LlavaNext: CLIP vision tower of 28x28 pictures in 2x2 tiles, Mistral text."""
    torch.manual_seed(seed)
    tokenizer = _tokenizer(LLAVA_CHAT, ("<image>",))
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = transformers.LlavaNextConfig(
        vision_config=transformers.CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=28,
            patch_size=14,
            initializer_range=0.2,
        ),
        text_config=transformers.MistralConfig(**_language(tokenizer)),
        image_token_index=image,
        image_grid_pinpoints=[[28, 56], [56, 28], [56, 56]],
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )
    processor = transformers.LlavaNextProcessor(
        transformers.LlavaNextImageProcessor(
            size={"shortest_edge": 28},
            crop_size={"height": 28, "width": 28},
            image_grid_pinpoints=[[28, 56], [56, 28], [56, 56]],
        ),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_CHAT,
    )
    return _save(folder, transformers.LlavaNextForConditionalGeneration(config), processor)


def qwen25vl(folder: Path, seed: int = 0, heads: int = 4) -> Path:
    """A Qwen2.5-VL, which takes pictures and videos of any size. vLLM's kernels for CPUs want two heads at most."""
    torch.manual_seed(seed)
    names = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    tokenizer = _tokenizer(QWEN_CHAT, names)
    start, end, image, video = (tokenizer.convert_tokens_to_ids(name) for name in names)
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            **_language(tokenizer, num_attention_heads=heads, num_key_value_heads=heads // 2),
            "rope_parameters": {
                "rope_type": "default",
                "mrope_section": [8 // heads, 12 // heads, 12 // heads],
                "rope_theta": 10000.0,
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 64,
            "fullatt_block_indexes": [1],
            "window_size": 56,
            "initializer_range": 0.2,
        },
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    bounds = {"shortest_edge": 56 * 56, "longest_edge": 112 * 112}
    processor = transformers.Qwen2_5_VLProcessor(
        transformers.Qwen2VLImageProcessor(size=bounds),
        tokenizer,
        transformers.Qwen2VLVideoProcessor(size=bounds),
        chat_template=QWEN_CHAT,
    )
    return _save(folder, transformers.Qwen2_5_VLForConditionalGeneration(config), processor)


def mistral(folder: Path, seed: int = 0) -> Path:
    """A Mistral text model with a chat template."""
    torch.manual_seed(seed)
    tokenizer = _tokenizer(LLAVA_CHAT)
    return _save(folder, transformers.MistralForCausalLM(transformers.MistralConfig(**_language(tokenizer))), tokenizer)
