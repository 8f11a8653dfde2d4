# Phase 1: every file taken in is decoded once. Out come the readable videos, their clips, and the frame store.


rule list_videos:
    output:
        listing=f"{R}/tables/listing.csv",
        rejects=f"{R}/work/rejects/list_videos.csv",
    log:
        f"{R}/logs/list_videos.log",
    benchmark:
        f"{R}/benchmarks/list_videos.tsv"
    threads: 1
    params:
        code=fingerprint("list_videos"),
        videos=config["videos"],
        memo=f"{R}/memo/list_videos",
        # Lazy, so that the folder is looked at once a run and not by every job that parses this file.
        state=lambda wildcards: sources.state(config["videos"]),
    shell:
        "python workflow/scripts/list_videos.py --videos {params.videos:q} --memo {params.memo:q}"
        " --out {output.listing:q} --rejects {output.rejects:q} > {log:q} 2>&1"


checkpoint plan_videos:
    input:
        table=rules.list_videos.output.listing,
    output:
        manifest=manifest("videos"),
    log:
        f"{R}/logs/plan_videos.log",
    benchmark:
        f"{R}/benchmarks/plan_videos.tsv"
    threads: 1
    # Not a parameter, by which a run on another machine would plan again what is planned.
    resources:
        devices=1,
    params:
        code=fingerprint("plan"),
        options=plan_options("videos"),
    shell:
        "python workflow/scripts/plan.py --table {input.table:q} --manifest {output.manifest:q} {params.options}"
        " --devices {resources.devices} > {log:q} 2>&1"


rule scan_videos:
    input:
        plan=ancient(manifest("videos")),
        table=shard("videos"),
    output:
        work("scan_videos", "videos"),
    log:
        f"{R}/logs/videos.scan_videos/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/videos.scan_videos/{{shard}}.tsv"
    threads: 1
    resources:
        gpu=0,
    params:
        code=fingerprint("scan_videos"),
        command=command("scan_videos"),
    shell:
        "exec python {params.command} --table {input.table:q} --out {output:q} --threads {threads} > {log:q} 2>&1"


rule gather_videos:
    input:
        # The manifest is also a plain input: without it a finished plan would not run again before its gather.
        plan=rules.plan_videos.output.manifest,
        listing=rules.list_videos.output.listing,
        shards=shards("videos", work("scan_videos", "videos")),
    output:
        videos=f"{R}/tables/videos.csv",
        clips=f"{R}/tables/clips.csv",
        rejects=f"{R}/work/rejects/videos.csv",
    log:
        f"{R}/logs/gather_videos.log",
    benchmark:
        f"{R}/benchmarks/gather_videos.tsv"
    threads: 1
    params:
        code=fingerprint("gather_videos"),
    shell:
        "python workflow/scripts/gather_videos.py --listing {input.listing:q} --shards {input.shards:q}"
        " --videos {output.videos:q} --clips {output.clips:q} --rejects {output.rejects:q} > {log:q} 2>&1"
