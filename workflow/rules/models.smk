# The models that the configuration names, fetched once where the network is; every other rule works without it.


def local_models_state():
    """A digest of the sizes and times of the models that the configuration names as local files or folders."""
    named = [value for block in MODELS.values() if isinstance(block, dict) for value in block.values()]
    local = [path for path in named if isinstance(path, str) and os.path.exists(path)]
    files = [file for path in local for file in sorted(Path(path).rglob("*")) or [Path(path)]]
    return digest([(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files])


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
        state=lambda wildcards: local_models_state(),
    shell:
        "python workflow/scripts/fetch_models.py --models {params.models:q} --settings {params.needs:q} --out {output:q}"
        " > {log:q} 2>&1"
