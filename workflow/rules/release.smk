# The release: what a finished run delivers.


# scripts/summarize.py: the account of the run
rule summarize:
    input:
        models=rules.fetch_models.input,
        listing=rules.list_videos.output.listing,
        sampled=rules.list_videos.output.sampled,
        videos=rules.gather_videos.output.videos,
        clips=rules.gather_videos.output.clips,
        selected=rules.gather_clips.output.selected,
        meta=rules.gather_captions.output.meta,
        rejects=rules.gather_captions.output.rejects,
    output:
        "<results>/run.json",
    log:
        "<results>/logs/summarize.log",
    benchmark:
        "<results>/benchmarks/summarize.tsv"
    localrule: True
    threads: 1
    params:
        **literal(configuration=json.dumps(config), current=json.dumps(pipeline.folders_in_use())),
        code=fingerprint("summarize"),
        results=lambda wildcards, output: os.path.dirname(output[0]),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/summarize.py --results {params.results:q} --models {input.models:q}'
        " --configuration {params.configuration:q} --current {params.current:q} --out {output:q} > {log:q} 2>&1"
