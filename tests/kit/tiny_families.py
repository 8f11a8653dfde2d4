"""Vision-language models of the families that labs use, with a few ten thousand random parameters each.

They are saved as folders that the real loaders read: real classes, real processors, a plain chat template.
"""

from collections.abc import Callable
from pathlib import Path

import tiny_transformers as tiny
import torch
import transformers as tf

FAMILIES: dict[str, Callable] = {}
"""From a family's `model_type` to the function (folder) that makes its model."""
SIDE = 28
"""Side, in pixels, of the square pictures that families with pictures of one size see."""
ROPE = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0}


def chat(image: str, video: str = "") -> str:
    """A chat template with these marks for a picture and a video."""
    return (
        "{% for m in messages %}{{ m['role'] }}: {% if m['content'] is string %}{{ m['content'] }}{% else %}"
        f"{{% for c in m['content'] %}}{{% if c['type'] == 'image' %}}{image}{{% elif c['type'] == 'video' %}}{video}"
        "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}{{ '</s>' }}{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )


def family(image: str, video: str = "", more: tuple[str, ...] = ()) -> Callable:
    """Register a function (tokenizer, ids of tokens by name) -> (model class, config, processor class, its parts)."""

    def register(make: Callable) -> Callable:
        def build(folder: Path, seed: int = 0) -> Path:
            return built(folder, make, image, video, more, seed)

        FAMILIES[make.__name__] = build
        return build

    return register


def built(folder: Path, make: Callable, image: str, video: str, more: tuple[str, ...] = (), seed: int = 0) -> Path:
    """The folder of a model that `make` makes for a tokenizer with these marks of pictures and videos."""
    template = chat(image, video)
    marks = tuple(dict.fromkeys(part for part in (*_marks(image), *_marks(video), *more)))
    torch.manual_seed(seed)
    tokenizer = tiny._tokenizer(template, marks)
    ids = {mark: tokenizer.convert_tokens_to_ids(mark) for mark in marks}
    model, processor = make(tokenizer, ids, template)
    return tiny._save(folder, model, processor)


def named(tokenizer, **marks: str):
    """The tokenizer with its special tokens also under the names that a processor looks for."""
    fast = tf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        extra_special_tokens=marks,
    )  # fmt: skip
    fast.chat_template = tokenizer.chat_template
    return fast


def _marks(text: str) -> list[str]:
    """The special tokens in a template's mark: <...> and [...]."""
    import re

    return re.findall(r"<[^<>]+>|\[[A-Z_]+\]", text)


def clip(**more) -> tf.CLIPVisionConfig:
    """A CLIP tower for square pictures of SIDE pixels in four patches."""
    return tf.CLIPVisionConfig(**(TOWER | {"image_size": SIDE, "patch_size": 14} | more))


def siglip(**more) -> tf.SiglipVisionConfig:
    """A SigLIP tower of the same size."""
    return tf.SiglipVisionConfig(**(TOWER | {"image_size": SIDE, "patch_size": 14, "vision_use_head": False} | more))


TOWER = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "initializer_range": 0.2,
}  # fmt: skip
QWEN = "<|vision_start|><|image_pad|><|vision_end|>", "<|vision_start|><|video_pad|><|vision_end|>"
BOUNDS = {"shortest_edge": 56 * 56, "longest_edge": 112 * 112}


def qwen_ids(ids: dict) -> dict:
    return {
        "image_token_id": ids["<|image_pad|>"], "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"], "vision_end_token_id": ids["<|vision_end|>"],
    }  # fmt: skip


def qwen_vision(**more) -> dict:
    return {
        "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64,
        "initializer_range": 0.2, **more,
    }  # fmt: skip


@family(*QWEN)
def qwen2_vl(tokenizer, ids, template):
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2, "initializer_range": 0.2}
    config = tf.Qwen2VLConfig(
        text_config=tiny._language(tokenizer, rope_parameters=ROPE), vision_config=vision, **qwen_ids(ids)
    )
    processor = tf.Qwen2VLProcessor(
        tf.Qwen2VLImageProcessor(size=BOUNDS), tokenizer, tf.Qwen2VLVideoProcessor(size=BOUNDS), chat_template=template
    )
    return tf.Qwen2VLForConditionalGeneration(config), processor


FAMILIES["qwen2_5_vl"] = tiny.qwen25vl
FAMILIES["llava_next"] = tiny.llava_next


def _qwen3_processor(tokenizer, template):
    sizes = {"size": {"shortest_edge": 64 * 64, "longest_edge": 128 * 128 * 16}, "patch_size": 16}
    return tf.Qwen3VLProcessor(
        tf.Qwen2VLImageProcessor(size={"shortest_edge": 64 * 64, "longest_edge": 128 * 128}, patch_size=16),
        tokenizer,
        tf.Qwen3VLVideoProcessor(**sizes),
        chat_template=template,
    )


@family(*QWEN)
def qwen3_vl(tokenizer, ids, template):
    return _qwen3_vl(tokenizer, ids, template, head_dim=16, rope_parameters=ROPE)


def qwen3_vl_for_vllm(folder: Path) -> Path:
    """A Qwen3-VL whose heads have 32 numbers: vLLM's kernels for CPUs take none that are smaller."""
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32}
    rope = ROPE | {"mrope_section": [4, 6, 6]}
    return built(folder, lambda *given: _qwen3_vl(*given, rope_parameters=rope, **heads), *QWEN)


def _qwen3_vl(tokenizer, ids, template, **more):
    text = tiny._language(tokenizer, **more)
    vision = qwen_vision(num_position_embeddings=64, deepstack_visual_indexes=[0, 1], patch_size=16)
    config = tf.Qwen3VLConfig(text_config=text, vision_config=vision, **qwen_ids(ids))
    return tf.Qwen3VLForConditionalGeneration(config), _qwen3_processor(tokenizer, template)


@family(*QWEN)
def qwen3_vl_moe(tokenizer, ids, template):
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
    text = tiny._language(tokenizer, head_dim=16, rope_parameters=ROPE, **experts)
    vision = qwen_vision(num_position_embeddings=64, deepstack_visual_indexes=[0, 1], patch_size=16)
    config = tf.Qwen3VLMoeConfig(text_config=text, vision_config=vision, **qwen_ids(ids))
    return tf.Qwen3VLMoeForConditionalGeneration(config), _qwen3_processor(tokenizer, template)


@family(*QWEN)
def qwen3_5(tokenizer, ids, template):
    linear = {
        "linear_key_head_dim": 16, "linear_value_head_dim": 16, "linear_num_key_heads": 2, "linear_num_value_heads": 2,
        "layer_types": ["linear_attention", "full_attention"],
    }  # fmt: skip
    text = tiny._language(tokenizer, head_dim=16, rope_parameters=ROPE | {"partial_rotary_factor": 1.0}, **linear)
    vision = qwen_vision(num_position_embeddings=64, deepstack_visual_indexes=[], patch_size=16)
    config = tf.Qwen3_5Config(text_config=text, vision_config=vision, **qwen_ids(ids))
    return tf.Qwen3_5ForConditionalGeneration(config), _qwen3_processor(tokenizer, template)


GLM = "<|begin_of_image|><|image|><|end_of_image|>", "<|begin_of_video|><|video|><|end_of_video|>"


def _glm(tokenizer, ids, template, kind):
    names = {
        "image_token_id": "<|image|>", "video_token_id": "<|video|>", "image_start_token_id": "<|begin_of_image|>",
        "image_end_token_id": "<|end_of_image|>", "video_start_token_id": "<|begin_of_video|>",
        "video_end_token_id": "<|end_of_video|>",
    }  # fmt: skip
    text = tiny._language(tokenizer, rope_parameters=ROPE | {"partial_rotary_factor": 1.0})
    config = getattr(tf, f"{kind}Config")(
        text_config=text,
        vision_config=qwen_vision(image_size=56, patch_size=14),
        **{name: ids[mark] for name, mark in names.items()},
    )
    bounds = {"shortest_edge": 56 * 56, "longest_edge": 112 * 112 * 16}
    processor = getattr(tf, f"{kind}Processor")(
        getattr(tf, f"{kind}ImageProcessor")(size=bounds),
        tokenizer,
        getattr(tf, f"{kind}VideoProcessor")(size=bounds),
        chat_template=template,
    )
    return getattr(tf, f"{kind}ForConditionalGeneration")(config), processor


@family(*GLM)
def glm4v(tokenizer, ids, template):
    return _glm(tokenizer, ids, template, "Glm4v")


@family(*GLM)
def glm46v(tokenizer, ids, template):
    return _glm(tokenizer, ids, template, "Glm46V")


SPLIT = ("<fake_token_around_image>", "<global-img>", "<end_of_utterance>", "<row_1_col_1>")


SMALL = {"size": {"longest_edge": 56}, "max_image_size": {"longest_edge": 56}}


def _divided(kind, tokenizer, ids):
    """The configuration of a model that divides pictures into tiles."""
    return kind(
        text_config=tf.LlamaConfig(**tiny._language(tokenizer)),
        vision_config=TOWER | {"image_size": 56, "patch_size": 14},
        image_token_id=ids["<image>"],
        pad_token_id=0,
        scale_factor=2,
    )


@family("<image>", "<video>", SPLIT)
def smolvlm(tokenizer, ids, template):
    config = _divided(tf.SmolVLMConfig, tokenizer, ids)
    sampling = {"video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": 56}}}
    processor = tf.SmolVLMProcessor(
        tf.SmolVLMImageProcessor(**SMALL), tokenizer, tf.SmolVLMVideoProcessor(**SMALL, **sampling),
        image_seq_len=4, chat_template=template,
    )  # fmt: skip
    return tf.SmolVLMForConditionalGeneration(config), processor


@family("<image>", "", SPLIT)
def idefics3(tokenizer, ids, template):
    config = _divided(tf.Idefics3Config, tokenizer, ids)
    processor = tf.Idefics3Processor(
        tf.Idefics3ImageProcessor(**SMALL), tokenizer, image_seq_len=4, chat_template=template
    )
    return tf.Idefics3ForConditionalGeneration(config), processor


SQUARE = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}


@family("<image>")
def llava(tokenizer, ids, template):
    config = tf.LlavaConfig(
        vision_config=clip(), text_config=tf.LlamaConfig(**tiny._language(tokenizer)),
        image_token_index=ids["<image>"], vision_feature_layer=-2, vision_feature_select_strategy="default",
    )  # fmt: skip
    processor = tf.LlavaProcessor(
        tf.CLIPImageProcessor(**SQUARE), tokenizer, patch_size=14, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=template,
    )  # fmt: skip
    return tf.LlavaForConditionalGeneration(config), processor


PINPOINTS = [[28, 56], [56, 28], [56, 56]]


@family("<image>", "<video>")
def llava_next_video(tokenizer, ids, template):
    config = tf.LlavaNextVideoConfig(
        vision_config=clip(), text_config=tf.LlamaConfig(**tiny._language(tokenizer)),
        image_token_index=ids["<image>"], video_token_index=ids["<video>"], image_grid_pinpoints=PINPOINTS,
        vision_feature_layer=-2, vision_feature_select_strategy="default", spatial_pool_stride=2,
    )  # fmt: skip
    processor = tf.LlavaNextVideoProcessor(
        video_processor=tf.LlavaNextVideoVideoProcessor(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
        ),
        image_processor=tf.LlavaNextImageProcessor(**SQUARE, image_grid_pinpoints=PINPOINTS),
        tokenizer=tokenizer, patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1,
        chat_template=template,
    )  # fmt: skip
    return tf.LlavaNextVideoForConditionalGeneration(config), processor


@family("<image>", "<video>")
def llava_onevision(tokenizer, ids, template):
    size = {"height": 56, "width": 56}
    points = [[56, 56], [56, 112], [112, 56]]
    config = tf.LlavaOnevisionConfig(
        vision_config=siglip(image_size=56), text_config=tf.Qwen2Config(**tiny._language(tokenizer)),
        image_token_index=ids["<image>"], video_token_index=ids["<video>"], image_grid_pinpoints=points,
        vision_feature_layer=-1, vision_feature_select_strategy="full",
    )  # fmt: skip
    processor = tf.LlavaOnevisionProcessor(
        image_processor=tf.LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=points),
        tokenizer=tokenizer,
        video_processor=tf.LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=16, vision_feature_select_strategy="full", chat_template=template,
    )  # fmt: skip
    return tf.LlavaOnevisionForConditionalGeneration(config), processor


@family("<image>", "<video>")
def video_llava(tokenizer, ids, template):
    config = tf.VideoLlavaConfig(
        vision_config=clip(), text_config=tf.LlamaConfig(**tiny._language(tokenizer)),
        image_token_index=ids["<image>"], video_token_index=ids["<video>"], vision_feature_layer=-2,
        vision_feature_select_strategy="default", image_seq_length=4, video_seq_length=8 * 5,
    )  # fmt: skip
    processor = tf.VideoLlavaProcessor(
        image_processor=tf.VideoLlavaImageProcessor(**SQUARE),
        video_processor=tf.VideoLlavaVideoProcessor(**SQUARE),
        tokenizer=tokenizer, patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1,
        chat_template=template,
    )  # fmt: skip
    return tf.VideoLlavaForConditionalGeneration(config), processor


@family("<IMG_CONTEXT>", "<video>", ("<img>", "</img>"))
def internvl(tokenizer, ids, template):
    tokenizer = named(
        tokenizer, start_image_token="<img>", end_image_token="</img>", context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )  # fmt: skip
    config = tf.InternVLConfig(
        vision_config=TOWER | {"image_size": [56, 56], "patch_size": [14, 14], "use_qk_norm": False},
        text_config=tf.Qwen2Config(**tiny._language(tokenizer)),
        image_token_id=ids["<IMG_CONTEXT>"],
        image_seq_length=4,
    )
    size = {"height": 56, "width": 56}
    processor = tf.InternVLProcessor(
        tf.GotOcr2ImageProcessor(size=size, crop_to_patches=False), tokenizer, tf.InternVLVideoProcessor(size=size),
        image_seq_length=4, chat_template=template,
    )  # fmt: skip
    return tf.InternVLForConditionalGeneration(config), processor


@family("<|image|>", "", ("<|python_tag|>",))
def mllama(tokenizer, ids, template):
    aspects = [[1, 1], [1, 2], [2, 1], [1, 3], [3, 1], [1, 4], [2, 2], [4, 1]]
    vision = TOWER | {
        "attention_heads": 2, "num_global_layers": 1, "image_size": SIDE, "patch_size": 14, "vision_output_dim": 64,
        "intermediate_layers_indices": [0], "max_num_tiles": 4, "supported_aspect_ratios": aspects,
    }  # fmt: skip
    vision.pop("num_attention_heads")
    rope = {"rope_type": "default", "rope_theta": 1e4}
    text = tiny._language(tokenizer, num_hidden_layers=3, cross_attention_layers=[1], rope_parameters=rope)
    config = tf.MllamaConfig(vision_config=vision, text_config=text, image_token_index=ids["<|image|>"])
    model = tf.MllamaForConditionalGeneration(config)
    for name, weight in model.named_parameters():
        if "gate" in name and weight.numel() <= 64:
            # They begin at 0, which would hide all pictures.
            weight.data.fill_(2.0)
    processor = tf.MllamaProcessor(
        tf.MllamaImageProcessor(size={"height": SIDE, "width": SIDE}, max_image_tiles=4),
        tokenizer,
        chat_template=template,
    )
    return model, processor


@family("[IMG]", "", ("[IMG_BREAK]", "[IMG_END]"))
def pixtral(tokenizer, ids, template):
    config = tf.LlavaConfig(
        vision_config=tf.PixtralVisionConfig(**TOWER | {"image_size": 56, "patch_size": 14, "head_dim": 16}),
        text_config=tf.MistralConfig(**tiny._language(tokenizer)),
        image_token_index=ids["[IMG]"], vision_feature_layer=-1, vision_feature_select_strategy="full",
    )  # fmt: skip
    processor = tf.PixtralProcessor(
        tf.PixtralImageProcessor(size={"longest_edge": 56}, patch_size={"height": 14, "width": 14}), tokenizer,
        patch_size=14, chat_template=template,
    )  # fmt: skip
    return tf.LlavaForConditionalGeneration(config), processor


@family("[IMG]", "", ("[IMG_BREAK]", "[IMG_END]"))
def mistral3(tokenizer, ids, template):
    config = tf.Mistral3Config(
        vision_config=tf.PixtralVisionConfig(**TOWER | {"image_size": 56, "patch_size": 14, "head_dim": 16}),
        text_config=tf.MistralConfig(**tiny._language(tokenizer)),
        image_token_index=ids["[IMG]"], spatial_merge_size=1, vision_feature_layer=-1,
    )  # fmt: skip
    processor = tf.PixtralProcessor(
        tf.PixtralImageProcessor(size={"longest_edge": 56}, patch_size={"height": 14, "width": 14}), tokenizer,
        patch_size=14, spatial_merge_size=1, chat_template=template,
    )  # fmt: skip
    return tf.Mistral3ForConditionalGeneration(config), processor


@family("<image>", "<video>")
def perception_lm(tokenizer, ids, template):
    tokenizer = named(tokenizer, image_token="<image>", video_token="<video>")
    vision = {
        "architecture": "vit_pe_core_large_patch14_336", "do_pooling": False, "num_classes": 32,
        "model_args": {
            "depth": 2, "embed_dim": 32, "num_heads": 2, "img_size": [56, 56], "global_pool": "",
            "use_post_transformer_norm": False, "init_values": 0.1, "ref_feat_shape": [4, 4],
        },
    }  # fmt: skip
    config = tf.PerceptionLMConfig(
        vision_config=vision, text_config=tf.LlamaConfig(**tiny._language(tokenizer)), vision_use_cls_token=True,
        projector_pooling_ratio=2, image_token_id=ids["<image>"], video_token_id=ids["<video>"],
    )  # fmt: skip
    processor = tf.PerceptionLMProcessor(
        video_processor=tf.PerceptionLMVideoProcessor(size={"height": 56, "width": 56}),
        image_processor=tf.PerceptionLMImageProcessor(tile_size=56, max_num_tiles=2),
        tokenizer=tokenizer, patch_size=14, pooling_ratio=2, chat_template=template,
    )  # fmt: skip
    return tf.PerceptionLMForConditionalGeneration(config), processor


@family("<boi>", "", ("<image>", "<eoi>"))
def gemma3(tokenizer, ids, template):
    tokenizer = named(tokenizer, boi_token="<boi>", eoi_token="<eoi>", image_token="<image>")
    config = tf.Gemma3Config(
        text_config=tiny._language(tokenizer, head_dim=16, query_pre_attn_scalar=16, sliding_window=64),
        vision_config=siglip(image_size=56), mm_tokens_per_image=4, boi_token_index=ids["<boi>"],
        eoi_token_index=ids["<eoi>"], image_token_index=ids["<image>"], initializer_range=0.2,
        tie_word_embeddings=False,
    )  # fmt: skip
    processor = tf.Gemma3Processor(
        tf.Gemma3ImageProcessor(size={"height": 56, "width": 56}), tokenizer, image_seq_length=4, chat_template=template
    )
    model = tf.Gemma3ForConditionalGeneration(config)
    # It begins at 0, which would hide all pictures.
    model.model.multi_modal_projector.mm_input_projection_weight.data.normal_(0, 0.2)
    return model, processor


LLAMA4 = ("<|image_start|>", "<|image_end|>", "<|patch|>", "<|tile_x_separator|>", "<|tile_y_separator|>")


@family("<|image|>", "", LLAMA4)
def llama4(tokenizer, ids, template):
    vision = TOWER | {
        "image_size": SIDE * 2, "patch_size": 14, "vision_output_dim": 64, "projector_input_dim": 64,
        "projector_output_dim": 64, "intermediate_size": 128,
    }  # fmt: skip
    text = tiny._language(
        tokenizer, head_dim=16, intermediate_size_mlp=64, num_local_experts=2, attention_chunk_size=4096,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4},
    )  # fmt: skip
    config = tf.Llama4Config(
        vision_config=vision, text_config=text, boi_token_index=ids["<|image_start|>"],
        eoi_token_index=ids["<|image_end|>"], image_token_index=ids["<|patch|>"],
    )  # fmt: skip
    processor = tf.Llama4Processor(
        tf.Llama4ImageProcessor(size={"height": 56, "width": 56}, max_patches=1), tokenizer, patch_size=14,
        pixel_shuffle_ratio=0.5, chat_template=template,
    )  # fmt: skip
    return tf.Llama4ForConditionalGeneration(config), processor


@family("<image>", "", ("<IMG_START>", "<IMG_ATOM>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"))
def ovis2(tokenizer, ids, template):
    indicators = [ids[mark] for mark in ("<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>")]
    config = tf.Ovis2Config(
        vision_config=TOWER | {"image_size": 56, "patch_size": 14, "hidden_stride": 2, "vocab_size": 64},
        text_config=tf.Qwen2Config(**tiny._language(tokenizer)), image_token_id=ids["<IMG_ATOM>"],
        visual_indicator_token_ids=indicators, vocab_size=len(tokenizer), hidden_size=64,
    )  # fmt: skip
    processor = tf.Ovis2Processor(
        tf.Ovis2ImageProcessor(size={"height": 56, "width": 56}), tokenizer, image_seq_length=4, chat_template=template
    )
    return tf.Ovis2ForConditionalGeneration(config), processor


@family("<image>", "", ("<|image_start|>", "<|image_end|>", "<|img_thumbnail|>"))
def lfm2_vl(tokenizer, ids, template):
    tokenizer = named(
        tokenizer, image_token="<image>", image_start_token="<|image_start|>", image_end_token="<|image_end|>",
        image_thumbnail="<|img_thumbnail|>",
    )  # fmt: skip
    config = tf.Lfm2VlConfig(
        vision_config=tf.Siglip2VisionConfig(**TOWER | {"patch_size": 16, "num_patches": 16, "vision_use_head": False}),
        text_config=tf.Lfm2Config(**tiny._language(tokenizer, layer_types=["conv", "full_attention"])),
        image_token_id=ids["<image>"], projector_hidden_size=64,
    )  # fmt: skip
    processor = tf.Lfm2VlProcessor(
        tf.Lfm2VlImageProcessor(
            tile_size=64, min_image_tokens=2, max_image_tokens=4, do_image_splitting=False, max_num_patches=16
        ),
        tokenizer,
        chat_template=template,
    )
    return tf.Lfm2VlForConditionalGeneration(config), processor


@family("<image>", "<video>")
def video_llama_3(tokenizer, ids, template):
    tokenizer = named(tokenizer, image_token="<image>", video_token="<video>")
    config = tf.VideoLlama3Config(
        vision_config=TOWER | {"patch_size": 14}, text_config=tf.Qwen2Config(**tiny._language(tokenizer)),
        image_token_id=ids["<image>"], video_token_id=ids["<video>"],
    )  # fmt: skip
    bounds = {"shortest_edge": 28 * 28, "longest_edge": 56 * 56}
    processor = tf.VideoLlama3Processor(
        tf.VideoLlama3ImageProcessor(size=bounds), tokenizer,
        tf.VideoLlama3VideoProcessor(size=bounds | {"longest_edge": 56 * 56 * 16}), chat_template=template,
    )  # fmt: skip
    return tf.VideoLlama3ForConditionalGeneration(config), processor


MEDIA = "<|media_begin|>", "<|media_content|>", "<|media_end|>"


@family("<|media_begin|>image<|media_content|><|media_pad|><|media_end|>", "<|kimi_k25_video_placeholder|>", MEDIA)
def kimi_k25(tokenizer, ids, template):
    text = tf.DeepseekV3Config(
        **tiny._language(tokenizer, num_key_value_heads=4), moe_intermediate_size=32, n_routed_experts=4,
        n_group=1, topk_group=1, num_experts_per_tok=2, n_shared_experts=1, q_lora_rank=16, kv_lora_rank=16,
        qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=16, first_k_dense_replace=1,
    )  # fmt: skip
    config = tf.Kimi_K25Config(
        vision_config=TOWER | {"pos_emb_height": 8, "pos_emb_width": 8, "patch_size": 14}, text_config=text,
        projection_hidden_size=32,
        image_token_id=ids["<|media_pad|>"], video_token_id=ids["<|kimi_k25_video_placeholder|>"],
        vision_start_token_id=ids["<|media_begin|>"], vision_end_token_id=ids["<|media_end|>"],
        tie_word_embeddings=False,
    )  # fmt: skip
    size = {"size": {"max_height": 4, "max_width": 4}, "max_patches": 16}
    processor = tf.Kimi_K25Processor(
        tf.Kimi_K25ImageProcessor(**size), tokenizer, tf.Kimi_K25VideoProcessor(**size), chat_template=template
    )
    return tf.Kimi_K25ForConditionalGeneration(config), processor


@family("<image>", "<|video|>", ("<boi>", "<eoi>", "<boa>", "<eoa>", "<audio>"))
def gemma4(tokenizer, ids, template):
    names = {"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<image>", "audio_token": "<audio>"}
    tokenizer = named(tokenizer, **names, boa_token="<boa>", eoa_token="<eoa>")
    text = tiny._language(
        tokenizer, head_dim=16, global_head_dim=16, sliding_window=64, vocab_size_per_layer_input=len(tokenizer),
        hidden_size_per_layer_input=0, layer_types=["sliding_attention", "full_attention"], tie_word_embeddings=False,
    )  # fmt: skip
    vision = TOWER | {"num_key_value_heads": 2, "head_dim": 16, "patch_size": 8, "pooling_kernel_size": 2}
    config = tf.Gemma4Config(
        text_config=text, vision_config=vision | {"position_embedding_size": 64}, audio_config=None,
        boi_token_id=ids["<boi>"], eoi_token_id=ids["<eoi>"], image_token_id=ids["<image>"],
        video_token_id=ids["<|video|>"], audio_token_id=ids["<audio>"], tie_word_embeddings=False,
    )  # fmt: skip
    small = {"patch_size": 8, "pooling_kernel_size": 2, "max_soft_tokens": 70}
    processor = tf.Gemma4Processor(
        tf.Gemma4AudioFeatureExtractor(), tf.Gemma4ImageProcessor(**small), tokenizer,
        tf.Gemma4VideoProcessor(**small), chat_template=template, image_seq_length=70,
    )  # fmt: skip
    return tf.Gemma4ForConditionalGeneration(config), processor
