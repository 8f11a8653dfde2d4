# Phase 2: each scorer looks at every clip, on its own; thresholds act in select_clips alone.


checkpoint plan_clips:
    input:
        table=rules.gather_videos.output.clips,
    output:
        manifest=manifest("clips"),
    log:
        f"{R}/logs/plan_clips.log",
    benchmark:
        f"{R}/benchmarks/plan_clips.tsv"
    threads: 1
    resources:
        devices=1,
    params:
        code=fingerprint("plan"),
        options=plan_options("clips"),
    shell:
        "python workflow/scripts/plan.py --table {input.table:q} --manifest {output.manifest:q} {params.options}"
        " --devices {resources.devices} > {log:q} 2>&1"


rule score_aesthetic:
    input:
        plan=ancient(manifest("clips")),
        table=shard("clips"),
        models=rules.fetch_models.output,
    output:
        work("score_aesthetic", "clips"),
    log:
        f"{R}/logs/clips.score_aesthetic/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/clips.score_aesthetic/{{shard}}.tsv"
    threads: 1
    resources:
        gpu=0,
        ranks=1,
    params:
        code=fingerprint("score_aesthetic"),
        command=command("score_aesthetic"),
    shell:
        "exec python workflow/scripts/launch.py --gpus {resources.gpu} --ranks {resources.ranks} --threads {threads}"
        " {params.command} --table {input.table:q} --models {input.models:q} --out {output:q} > {log:q} 2>&1"


use rule score_aesthetic as score_flow with:
    output:
        work("score_flow", "clips"),
    log:
        f"{R}/logs/clips.score_flow/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/clips.score_flow/{{shard}}.tsv"
    params:
        code=fingerprint("score_flow"),
        command=command("score_flow"),


use rule score_aesthetic as score_ocr with:
    output:
        work("score_ocr", "clips"),
    log:
        f"{R}/logs/clips.score_ocr/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/clips.score_ocr/{{shard}}.tsv"
    params:
        code=fingerprint("score_ocr"),
        command=command("score_ocr"),


rule select_clips:
    input:
        plan=ancient(manifest("clips")),
        table=shard("clips"),
        scores=[work(scorer, "clips") for scorer in SCORERS],
    output:
        work("select_clips", "clips"),
    log:
        f"{R}/logs/clips.select_clips/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/clips.select_clips/{{shard}}.tsv"
    threads: 1
    params:
        code=fingerprint("select_clips"),
        thresholds=json.dumps(SETTINGS["select_clips"]),
    shell:
        "python workflow/scripts/select_clips.py --table {input.table:q} --scores {input.scores:q} --out {output:q}"
        " --select {params.thresholds:q} > {log:q} 2>&1"


rule gather_clips:
    input:
        plan=rules.plan_clips.output.manifest,
        clips=rules.gather_videos.output.clips,
        shards=shards("clips", work("select_clips", "clips")),
        also=shards("clips", *[work(step, "clips") for step in CHAIN["clips"]]),
    output:
        scores=f"{R}/tables/scores.csv",
        selected=f"{R}/tables/selected.csv",
        rejects=f"{R}/work/rejects/clips.csv",
    log:
        f"{R}/logs/gather_clips.log",
    benchmark:
        f"{R}/benchmarks/gather_clips.tsv"
    threads: 1
    params:
        code=fingerprint("gather_clips"),
    shell:
        "python workflow/scripts/gather_clips.py --clips {input.clips:q} --shards {input.shards:q}"
        " --scores {output.scores:q} --selected {output.selected:q} --rejects {output.rejects:q} > {log:q} 2>&1"
