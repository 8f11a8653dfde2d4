"""Measure the learned steps on a GPU: a mixed corpus from real frame stores, next to the bare model's loop.

    make bench-gpu                                             all steps, real architectures with random weights
    make bench-gpu ARGS="--device cpu --small"                 only to see that it runs, on any machine
    make bench-gpu ARGS="--steps captions --model FOLDER"      a captioner of your own
    make bench-gpu ARGS="--steps vllm"                         the same by `vllm serve` (make env-vllm)
    make bench-gpu ARGS="--steps aesthetic --write docs/benchmarks.md"

A step runs as in a job: the job's own threads read and prepare, one thread computes. The corpus (corpus.py) has what
slows a step down: stores of two hours, five shapes, subtitles and pages of text, stills, answers of 60 to 300 tokens.

rows      rows that the network computed / rows that the clips ask for: fillings, copies and halved batches count
bare      the network alone, in full batches that lie on the device, for the rows that are asked for; of captions:
          `generate` on full batches of equal prompts whose answers all have the mean length
waited    share of the time in which no kernel ran on the GPU, by torch's profiler, in a second run of a quarter of the
          clips; on a CPU the share of the time outside the network
tokens    computed: rows x the longest answer of their batch; asked: the tokens of the answers

The corpus has checks of its own: where a measure could not show what it should, the program says so and ends with 1.
Each step runs once before it is measured.
"""

import argparse
import gc
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from corpus import SHAPES, Corpus, pictures_of
from meters import Answers, Network, idle_share

ROOT = Path(__file__).resolve().parents[1]
SHORTEST, LONGEST = 60, 300
"""Tokens of the answers."""
UNKNOWN = float("nan")
STORED = 1000
"""Pictures that a film's store must hold: below, a directory that is read for each clip would not show."""


class Bench(NamedTuple):
    """A step to measure: its class and settings, the clips of a full run and of a small one, the networks of the loaded
    step, and how many rows of each a clip asks for."""

    kind: type
    settings: dict
    clips: tuple[int, int]
    networks: callable
    asked: callable


def main() -> None:
    """Measure the chosen steps and print a table, as text and as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--small", action="store_true", help="tiny models and few clips: only to see that it runs")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=[step for step in STEPS if step != "vllm"])
    parser.add_argument("--clips", type=int, help="clips per step, instead of each step's own number")
    parser.add_argument("--hours", type=float, help="length of a film (2, small: 0.15)")
    parser.add_argument("--films", type=int, default=10, help="films of the corpus, at least five")
    parser.add_argument("--model", help="folder of a captioner, in place of LLaVA-NeXT 7B with random weights")
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="threads that prepare")
    parser.add_argument("--write", type=Path, help="append the Markdown to this file")
    args = parser.parse_args()
    import torch

    if args.device != "cpu" and not torch.cuda.is_available():
        raise SystemExit("bench-gpu: no GPU was found. To see that it runs: make bench-gpu ARGS='--device cpu --small'")
    if args.small:
        torch.set_num_threads(1)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        hours = args.hours or (0.15 if args.small else 2)
        corpus = Corpus(Path(folder, "frames"), hours, 96 if args.small else 512, 5 if args.small else args.films)
        for name in args.steps:
            results.append(measured(name, args, corpus, Path(folder, name)))
            gc.collect()
    text = markdown(args, corpus, results)
    print(text)
    if args.write:
        with open(args.write, "a", encoding="utf-8") as file:
            file.write("\n" + text)
    if wrong := [f"{made['step']}: {problem}" for made in results for problem in made["wrong"]]:
        raise SystemExit("\n".join(["bench-gpu: these figures do not count:", *wrong]))


def measured(name: str, args, corpus: Corpus, folder: Path) -> dict:
    """One step's figures, and in `wrong` why they would not count."""
    import torch

    (folder / "models").mkdir(parents=True)
    torch.manual_seed(0)
    bench = STEPS[name](folder / "models", args)
    step = bench.kind(bench.settings, folder, corpus.store.folder, corpus.store.folder, args.device)
    step.load()
    step.load = lambda: None
    rows = corpus.rows(args.clips or bench.clips[args.small])
    watch = WATCHES.get(name, Networks)(step, bench, args)
    work(step, rows[: 2 * step.batch], args.threads)
    watch.reset()
    if args.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    kept: dict[str, dict] = {}
    seconds = clock(lambda: kept.update(work(step, rows, args.threads)), args.device)
    memory = 0 if args.device == "cpu" else torch.cuda.max_memory_allocated() / 2**30
    made = {"step": f"{name} ({Path(bench.settings['model']).name})", "clips": len(rows), "memory": memory}
    made |= watch.figures(rows, kept, seconds)
    made["waited"] = watch.outside(seconds)
    if args.device != "cpu" and name != "vllm":
        part = rows[:: max(1, len(rows) // max(2 * step.batch, len(rows) // 4))]
        made["waited"] = idle_share(lambda: work(step, part, args.threads), args.device)
    return made | {
        "wrong": [*of_the_corpus(name, corpus, rows), *of_the_step(name, corpus, kept), *made.pop("wrong", [])]
    }


class Networks:
    """Watches the networks of a scorer."""

    examples = True
    """Whether the bare loop is that of the networks themselves."""

    def __init__(self, step, bench: Bench, args):
        self.bench, self.device = bench, args.device
        self.networks = [Network(module, self.examples) for module in bench.networks(step)]

    def reset(self) -> None:
        """Count from nothing."""
        for network in self.networks:
            network.reset()

    def figures(self, rows: list[dict], kept: dict, seconds: float) -> dict:
        """Rates, and rows computed / asked. Every network gets as many rows of each clip."""
        asked = sum(self.bench.asked(row) for row in rows)
        computed = [dict(network.rows) for network in self.networks]
        self.spent = sum(network.busy for network in self.networks)
        bare = 0.0
        for network, shapes in zip(self.networks, computed, strict=True):
            costs = network.bare(lambda run: clock(run, self.device), 1 if self.device == "cpu" else 5)
            bare += sum(costs[shape] * count for shape, count in shapes.items()) * asked / sum(shapes.values())
        total = sum(sum(shapes.values()) for shapes in computed)
        ratio = total / asked / len(computed)
        return {"rate": asked / seconds, "bare": asked / bare, "ratio": bare / seconds, "rows": ratio}

    def outside(self, seconds: float) -> float:
        """The share of these seconds in which no network ran, on a CPU."""
        return max(0.0, 1 - self.spent / seconds)


class Captions(Networks):
    """Watches a captioner: its answers get lengths, and tokens count."""

    examples = False

    def __init__(self, step, bench: Bench, args):
        super().__init__(step, bench, args)
        generator = step.captioner.generator
        lengths = (4, 20) if args.small else (SHORTEST, LONGEST)
        self.answers = Answers(generator.model, generator.tokenizer, *lengths)

    def reset(self) -> None:
        super().reset()
        self.answers.reset()

    def figures(self, rows: list[dict], kept: dict, seconds: float) -> dict:
        origins = [json.loads(values["origin"]) for values in kept.values()]
        given, said = tokens_of(origins)
        answers, self.spent = self.answers, sum(network.busy for network in self.networks)
        computed, slots, forced = dict(answers.rows), answers.slots, set(answers.forced)
        asked = sum(origin["requests"] for origin in origins)
        costs = answers.bare(lambda run: clock(run, self.device), round(said / asked))
        bare = sum(costs[prompt] * count for prompt, count in computed.items()) * asked / sum(computed.values())
        wrong = [] if len(forced) > 3 else [f"the answers have only {len(forced)} different lengths"]
        lengths = {origin["output_tokens"] for origin in origins}
        wrong += [] if lengths <= forced else ["answers have other lengths than they were given"]
        tokens = {"given": given / seconds, "said": said / seconds, "bare_said": said / bare, "slots": slots / said}
        tokens |= {"shortest": min(lengths), "longest": max(lengths), "prompt": given / asked}
        found = {"rate": asked / seconds, "bare": asked / bare, "ratio": bare / seconds, "tokens": tokens}
        return found | {"rows": sum(computed.values()) / asked, "wrong": wrong}


class Served:
    """Counts the tokens of a captioner whose model runs in another process: the rest is not to be seen from here."""

    def __init__(self, step, bench: Bench, args):
        self.tokens = bench.settings["max_tokens"]

    def reset(self) -> None:
        """Nothing is counted before the end."""

    def figures(self, rows: list[dict], kept: dict, seconds: float) -> dict:
        """Rates; what the program does inside is unknown."""
        origins = [json.loads(values["origin"]) for values in kept.values()]
        given, said = tokens_of(origins)
        asked, lengths = sum(origin["requests"] for origin in origins), {origin["output_tokens"] for origin in origins}
        # Random weights say no words at times, and are asked once more for twice the tokens.
        wrong = [] if min(lengths) >= self.tokens else [f"answers have {min(lengths)} tokens in place of {self.tokens}"]
        tokens = {"given": given / seconds, "said": said / seconds, "bare_said": UNKNOWN, "slots": UNKNOWN}
        tokens |= {"shortest": min(lengths), "longest": max(lengths), "prompt": given / asked}
        unknown = dict.fromkeys(("bare", "ratio", "rows"), UNKNOWN)
        return {"rate": asked / seconds, **unknown, "tokens": tokens, "wrong": wrong}

    def outside(self, seconds: float) -> float:
        """Unknown."""
        return UNKNOWN


def tokens_of(origins: list[dict]) -> tuple[int, int]:
    """The tokens of the questions and of the answers."""
    given, said = (sum(origin[f"{kind}_tokens"] for origin in origins) for kind in ("prompt", "output"))
    return given, said


def of_the_corpus(name: str, corpus: Corpus, rows: list[dict]) -> list[str]:
    """What the clips lack without which a defect would not show. Flow scales all frames to one size."""
    wrong = []
    if corpus.pictures["film"] < STORED:
        wrong.append(f"a film's store holds {corpus.pictures['film']} pictures, fewer than {STORED}: --hours")
    if (shapes := len({(row["width"], row["height"]) for row in rows})) < len(SHAPES) and name != "flow":
        wrong.append(f"the clips have {shapes} sizes in place of {len(SHAPES)}: --clips")
    return wrong


def of_the_step(name: str, corpus: Corpus, kept: dict[str, dict]) -> list[str]:
    """What of a step's results says that it did not do its work."""
    failed = [values for values in kept.values() if values.get("fault")]
    wrong = [f"{len(failed)} clips failed, the first: {failed[0]['reason']} {failed[0]['detail']}"] if failed else []
    if name == "ocr" and not failed:
        boxes = {identity: int(values["ocr"]) for identity, values in kept.items()}
        written = [identity for identity in boxes if corpus.texts[identity] != "none"]
        found = sum(boxes[identity] > 0 for identity in written)
        if not written or found < 0.9 * len(written):
            wrong.append(f"of {len(written)} frames with text, {found} gave boxes")
    return wrong


def clock(run, device: str) -> float:
    """Seconds that `run` takes, to the end of what it queued on the device."""
    import torch

    with torch.inference_mode():
        if device != "cpu":
            torch.cuda.synchronize()
        began = time.perf_counter()
        run()
        if device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - began


def work(step, rows: list[dict], threads: int) -> dict[str, dict]:
    """What a job keeps of these rows by their ids: its own loop, without the memo."""
    from clipmill.engine.compute import Compute
    from clipmill.engine.ranks import Ranks

    kept: dict[str, dict] = {}
    args = SimpleNamespace(threads=threads, item_minutes=60, max_error_share=1.0)
    progress = SimpleNamespace(start=lambda: None, add=lambda count: None)

    def keep(row: dict, values: dict) -> None:
        kept[row["id"]] = values | step.stamp(row)

    Compute(step, step.name, args, Ranks(), len(rows), keep).run(rows, progress, lambda: None)
    return kept


def aesthetic(folder: Path, args) -> Bench:
    """ViT-L/14 at 224 and an affine head; three frames per clip, one of a still."""
    import torch
    from score_aesthetic import ScoreAesthetic

    settings, width = open_clip_model(folder, args.small)
    torch.save({"weight": torch.randn(1, width), "bias": torch.zeros(1)}, folder / "head.pth")
    settings |= {"head": str(folder / "head.pth"), "head_sha256": None, "reduce": "mean", "frames": [0.1, 0.5, 0.9]}
    return Bench(
        ScoreAesthetic,
        settings | {"batch": 8 if args.small else 64},
        (4096, 40),
        lambda step: [step.scorer.clip.model.visual],
        lambda row: 1 if row["num_frames"] == "1" else 3,
    )


def match(folder: Path, args) -> Bench:
    """ViT-L/14 and its text tower; one frame and one caption per clip."""
    from score_match import ScoreMatch

    settings, _ = open_clip_model(folder, args.small)
    settings |= {"frames": [0.5], "batch": 8 if args.small else 128}
    return Bench(
        ScoreMatch,
        settings,
        (4096, 40),
        lambda step: [step.model.clip.model.visual, step.model.clip.model.transformer],
        lambda row: 1,
    )


def open_clip_model(folder: Path, small: bool) -> tuple[dict, int]:
    """Settings of an open_clip model with random weights, and the width of its embedding."""
    import open_clip
    import torch
    from tiny_open_clip import WIDTH, tiny_clip

    if small:
        return {"model": "tiny", "pretrained": str(tiny_clip(folder / "clip"))}, WIDTH
    name = "ViT-L-14-quickgelu"
    torch.save(open_clip.create_model(name).state_dict(), folder / "clip.pth")
    return {"model": name, "pretrained": str(folder / "clip.pth")}, open_clip.get_model_config(name)["embed_dim"]


def flow(folder: Path, args) -> Bench:
    """RAFT; a pair every half second."""
    import torch
    from score_flow import ScoreFlow
    from torchvision.models import optical_flow

    model = "raft_small" if args.small else "raft_large"
    torch.save(getattr(optical_flow, model)().state_dict(), folder / "raft.pth")
    settings = {"model": model, "weights": str(folder / "raft.pth"), "seconds": 0.5, "batch": 4}
    return Bench(
        ScoreFlow, settings, (256, 1), lambda step: [step.model.model], lambda row: max(0, pictures_of(row) - 1)
    )


def ocr(folder: Path, args) -> Bench:
    """EasyOCR's detector, its own weights; one frame per clip."""
    from score_ocr import ScoreOcr

    settings = {"model": "easyocr", "frames": [0.5], "canvas": 960, "batch": 8}
    return Bench(ScoreOcr, settings, (1024, 24), lambda step: [step.detector.network], lambda row: 1)


def captions(folder: Path, args) -> Bench:
    """LLaVA-NeXT with a Mistral of 7B parameters, or `--model`; one frame and 60 to 300 tokens per clip."""
    from caption_clips import CaptionClips
    from clipmill.plan import config

    given = config.check({}, ROOT / "workflow" / "schemas" / "config.schema.yaml")
    settings = given["caption"] | {"frames_from": given["frames"]}
    settings["model"] = args.model or str(llava(folder / "llava-7b", args.small))
    settings |= {"max_tokens": 20 if args.small else LONGEST, "batch": 4 if args.small else 16}
    settings["captioner"] = settings["model"]
    settings["checks"] = {"language": None, "loop": False, "cut_off": False, "refusal": False}
    return Bench(CaptionClips, settings, (384, 40), lambda step: [step.captioner.generator.model], lambda row: 1)


def vllm(folder: Path, args) -> Bench:
    """The same by `vllm serve` of .venv-vllm, all answers of the mean length: its own loop is `vllm bench serve`."""
    import tiny_transformers

    bench = captions(folder, args)
    tokens = 12 if args.small else (SHORTEST + LONGEST) // 2
    settings = bench.settings | {"captioner": "vllm", "engine": "vllm", "max_tokens": tokens}
    settings["sampling"] = settings["sampling"] | {"min_tokens": tokens}
    if args.small:
        # vLLM's kernels for CPUs take no smaller heads.
        settings["model"] = str(tiny_transformers.qwen25vl(folder / "qwen", heads=2))
        settings["vllm"] = settings["vllm"] | {"max_model_len": 2048, "options": {"enforce-eager": True}}
    (folder.parent / "logs").mkdir(exist_ok=True)
    return bench._replace(settings=settings)


def llava(folder: Path, small: bool) -> Path:
    """A folder with a LLaVA-NeXT of random weights and a tokenizer of bytes."""
    import tiny_transformers
    import torch
    import transformers

    if small:
        return tiny_transformers.llava_next(folder)
    tokenizer = tiny_transformers._tokenizer(tiny_transformers.LLAVA_CHAT, ("<image>",))
    options = {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    processor = transformers.LlavaNextProcessor(
        transformers.LlavaNextImageProcessor(), tokenizer, chat_template=tiny_transformers.LLAVA_CHAT, **options
    )
    # The sizes of llava-v1.6-mistral-7b.
    vision = transformers.CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
        projection_dim=768,
    )
    text = transformers.MistralConfig(vocab_size=32064, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    image = tokenizer.convert_tokens_to_ids("<image>")
    with torch.device("cuda"):
        torch.set_default_dtype(torch.bfloat16)
        model = transformers.LlavaNextForConditionalGeneration(
            transformers.LlavaNextConfig(vision_config=vision, text_config=text, image_token_index=image)
        )
        torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def markdown(args, corpus: Corpus, results: list[dict]) -> str:
    """The figures as a Markdown section that names the machine."""
    import torch

    gpu = "no GPU" if args.device == "cpu" else torch.cuda.get_device_name(args.device)
    machine = f"{gpu}, {os.cpu_count()} CPUs ({platform.machine()}), {args.threads} threads, torch {torch.__version__}"
    small = ", small models: not a measurement" if args.small else ""
    films = f"stores of {corpus.pictures['film']:,} pictures, shorter side {corpus.side} px"
    head = "| step | clips | items/s | bare, items/s | step / bare | rows | waited | GPU memory, GiB |"
    lines = [f"### {machine}{small}", "", f"`bench/gpu.py {' '.join(sys.argv[1:])}`: {films}.", ""]
    lines += [head, "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for made in results:
        lines.append(
            f"| {made['step']} | {made['clips']} | {made['rate']:.1f} | {made['bare']:.1f} | {made['ratio']:.0%} "
            f"| {made['rows']:.2f} | {made['waited']:.0%} | {made['memory']:.1f} |"
        )
    said = [made["tokens"] for made in results if "tokens" in made]
    if said:
        head = (
            "| input tokens/s | output tokens/s | bare, output tokens/s | tokens of an answer | of a prompt | tokens |"
        )
        lines += ["", head, "|--:|--:|--:|--:|--:|--:|"]
    for one in said:
        lines.append(
            f"| {one['given']:.0f} | {one['said']:.0f} | {one['bare_said']:.0f} "
            f"| {one['shortest']}-{one['longest']} | {one['prompt']:.0f} | {one['slots']:.2f} |"
        )
    return "\n".join(lines).replace("nan%", "-").replace("nan", "-") + "\n"


STEPS = {"aesthetic": aesthetic, "flow": flow, "ocr": ocr, "match": match, "captions": captions, "vllm": vllm}
WATCHES = {"captions": Captions, "vllm": Served}
"""What watches a step; any other: Networks."""

if __name__ == "__main__":
    main()
