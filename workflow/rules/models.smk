# The models that the configuration names, fetched once, with network access; every other rule works without a network.


# scripts/fetch_model.py: the models of one block of the configuration. A list for each block: another captioner must
# not make the scorers run again.
rule fetch_model:
    output:
        "<results>/models/{block}.json",
    log:
        "<results>/logs/fetch_model/{block}.log",
    localrule: True
    threads: 1
    params:
        **literal(models=config["models"]),
        needs=lambda wildcards: json.dumps({wildcards.block: pipeline.models()[wildcards.block]}),
        code=fingerprint("fetch_model"),
        # It notices replaced weights of a local folder.
        state=lambda wildcards: weights.state({wildcards.block: pipeline.models()[wildcards.block]}),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/fetch_model.py --models {params.models:q} --settings {params.needs:q} --out {output:q}'
        " > {log:q} 2>&1"


# every model: the target to ask for where there is a network
rule fetch_models:
    input:
        [pipeline.model_list(block) for block in pipeline.models()],
    localrule: True
