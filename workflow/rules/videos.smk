# Phase 1: every file taken in is decoded once. The results are the readable videos, their clips and the frame store.


# scripts/list_videos.py: every file, with its identity
rule list_videos:
    output:
        listing="<results>/tables/listing.csv",
        rejects="<results>/work/rejects/list_videos.csv",
        ignored="<results>/tables/ignored.csv",
        sampled="<results>/tables/sample.csv",
        extras="<results>/tables/extras.csv",
    log:
        "<results>/logs/list_videos.log",
    benchmark:
        "<results>/benchmarks/list_videos.tsv"
    localrule: True
    threads: 1
    params:
        **literal(videos=config["videos"], memo=f"{pipeline.results}/memo/list_videos", results=pipeline.results),
        **literal(sample=json.dumps(config["sample"])),
        code=fingerprint("list_videos"),
        # Lazy, so that the folder is read once per run and not by every job that parses this file.
        state=lambda wildcards: options.state_of_sources(pipeline),
        options=lambda wildcards: options.listing(pipeline),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/list_videos.py --videos {params.videos:q} --memo {params.memo:q}'
        " --out {output.listing:q} --rejects {output.rejects:q}"
        " --ignored {output.ignored:q} --extras {output.extras:q} --results {params.results:q} {params.options}"
        " --sample {params.sample:q} --sampled {output.sampled:q} > {log:q} 2>&1"


# scripts/plan.py: the shards of tables/listing.csv
checkpoint plan_videos:
    input:
        table=rules.list_videos.output.listing,
    output:
        manifest="<results>/plan/videos/manifest.csv",
    log:
        "<results>/logs/plan_videos.log",
    benchmark:
        "<results>/benchmarks/plan_videos.tsv"
    localrule: True
    threads: 1
    # A resource, not a param: otherwise moving to another cluster would plan everything again.
    resources:
        devices=1,
    params:
        **literal(pipeline.plan("videos")),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/plan.py --table {input.table:q} --manifest {output.manifest:q} {params.options}'
        " --devices {resources.devices} > {log:q} 2>&1"


# scripts/scan_videos.py: true measures, scenes, and the frame store
rule scan_videos:
    input:
        # Ancient: the rule waits for the plan, but a new plan reruns it only where its shard has changed.
        plan=ancient("<results>/plan/videos/manifest.csv"),
        table="<results>/plan/videos/{shard}.csv",
    output:
        pipeline.table("videos.scan_videos"),
    log:
        "<results>/logs/videos.scan_videos/{shard}.log",
    threads: 1
    params:
        **literal(pipeline.params("videos.scan_videos")),
    shell:
        "exec python {params.command} --table {input.table:q} --out {output:q} --threads {threads} > {log:q} 2>&1"


# scripts/gather_videos.py: tables/videos.csv and tables/clips.csv
rule gather_videos:
    input:
        # The manifest is also a plain input: otherwise a finished plan would not run again before its gather.
        plan=rules.plan_videos.output.manifest,
        listing=rules.list_videos.output.listing,
        extras=rules.list_videos.output.extras,
        shards=shards("videos.scan_videos"),
    output:
        videos="<results>/tables/videos.csv",
        clips="<results>/tables/clips.csv",
        rejects="<results>/work/rejects/videos.csv",
    log:
        "<results>/logs/gather_videos.log",
    benchmark:
        "<results>/benchmarks/gather_videos.tsv"
    threads: 1
    params:
        code=fingerprint("gather_videos"),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/gather_videos.py --listing {input.listing:q} --shards {input.shards:q}'
        " --extras {input.extras:q} --videos {output.videos:q} --clips {output.clips:q} --rejects {output.rejects:q} > {log:q} 2>&1"
