# The models that the configuration names, fetched once where the network is; every other rule works without it.

# What fetch_models looks at: a block's other keys change no model.
MODEL_KEYS = ("model", "pretrained", "head", "head_sha256", "weights", "revision", "server")
BLOCKS = {f"score.{name}": block for name, block in config["score"].items() if block["enabled"]}
BLOCKS |= {"caption": config["caption"], "refine": config["refine"], "match": config["match"]}
MODELS = {name: {key: block[key] for key in MODEL_KEYS if key in block} for name, block in BLOCKS.items()}
MODELS["detector"] = config["detector"]


rule fetch_models:
    output:
        f"{R}/models.json",
    log:
        f"{R}/logs/fetch_models.log",
    benchmark:
        f"{R}/benchmarks/fetch_models.tsv"
    threads: 1
    params:
        code=fingerprint("fetch_models"),
        models=config["models"],
        needs=json.dumps(MODELS),
        # Lazy: weights of a local folder that were replaced are noticed, once a run.
        state=lambda wildcards: models.state(MODELS),
    shell:
        "python workflow/scripts/fetch_models.py --models {params.models:q} --settings {params.needs:q} --out {output:q}"
        " > {log:q} 2>&1"
