# The models that the configuration names, fetched once where the network is; every other rule works without it.


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
        needs=json.dumps(lasting(MODELS)),
        # Lazy: weights of a local folder that were replaced are noticed, once a run.
        state=lambda wildcards: local_models_state(),
    shell:
        "python workflow/scripts/fetch_models.py --models {params.models:q} --settings {params.needs:q} --out {output:q}"
        " > {log:q} 2>&1"
