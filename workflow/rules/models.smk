# The models that the configuration names, fetched once, with network access; every other rule works without a network.


# scripts/fetch_models.py
rule fetch_models:
    output:
        "<results>/models.json",
    log:
        "<results>/logs/fetch_models.log",
    benchmark:
        "<results>/benchmarks/fetch_models.tsv"
    localrule: True
    threads: 1
    params:
        **literal(models=config["models"], needs=json.dumps(pipeline.models())),
        code=fingerprint("fetch_models"),
        # Lazy: it notices replaced weights of a local folder, and is evaluated once per run.
        state=lambda wildcards: weights.state(pipeline.models()),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/fetch_models.py --models {params.models:q} --settings {params.needs:q} --out {output:q}'
        " > {log:q} 2>&1"
