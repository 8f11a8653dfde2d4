# Phase 3: what was selected is captioned, checked against its picture, labelled and cut; each rule reads the one before it.


checkpoint plan_captions:
    input:
        table=rules.gather_clips.output.selected,
    output:
        manifest=f"{R}/plan/captions/manifest.csv",
    params:
        code=fingerprint("plan"),
        options=plan_options("captions"),
    log:
        f"{R}/logs/plan_captions.log",
    benchmark:
        f"{R}/benchmarks/plan_captions.tsv"
    threads: 1
    shell:
        "python workflow/scripts/plan.py --table {input.table:q} --manifest {output.manifest:q} {params.options}"
        " > {log:q} 2>&1"


rule caption_clips:
    input:
        plan=ancient(rules.plan_captions.output.manifest),
        table=before("caption_clips", "captions"),
        models=rules.fetch_models.output,
    output:
        work("caption_clips", "captions"),
    params:
        code=fingerprint("caption_clips"),
        options=options("caption_clips"),
    log:
        f"{R}/logs/captions.caption_clips/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/captions.caption_clips/{{shard}}.tsv"
    threads: 1
    resources:
        gpu=0,
        ranks=1,
    shell:
        "exec python workflow/scripts/launch.py --gpus {resources.gpu} --ranks {resources.ranks} --threads {threads}"
        " workflow/scripts/caption_clips.py --table {input.table:q} --out {output:q} --models {input.models:q}"
        " {params.options} > {log:q} 2>&1"


rule clean_captions:
    input:
        plan=ancient(rules.plan_captions.output.manifest),
        table=before("clean_captions", "captions"),
        models=rules.fetch_models.output,
    output:
        work("clean_captions", "captions"),
    params:
        code=fingerprint("clean_captions"),
        options=options("clean_captions"),
    log:
        f"{R}/logs/captions.clean_captions/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/captions.clean_captions/{{shard}}.tsv"
    threads: 1
    resources:
        gpu=0,
        ranks=1,
    shell:
        "exec python workflow/scripts/launch.py --gpus {resources.gpu} --ranks {resources.ranks} --threads {threads}"
        " workflow/scripts/clean_captions.py --table {input.table:q} --out {output:q} --models {input.models:q}"
        " {params.options} > {log:q} 2>&1"


rule score_match:
    input:
        plan=ancient(rules.plan_captions.output.manifest),
        table=before("score_match", "captions"),
        models=rules.fetch_models.output,
    output:
        work("score_match", "captions"),
    params:
        code=fingerprint("score_match"),
        options=options("score_match"),
    log:
        f"{R}/logs/captions.score_match/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/captions.score_match/{{shard}}.tsv"
    threads: 1
    resources:
        gpu=0,
        ranks=1,
    shell:
        "exec python workflow/scripts/launch.py --gpus {resources.gpu} --ranks {resources.ranks} --threads {threads}"
        " workflow/scripts/score_match.py --table {input.table:q} --out {output:q} --models {input.models:q}"
        " {params.options} > {log:q} 2>&1"


rule select_pairs:
    input:
        plan=ancient(rules.plan_captions.output.manifest),
        table=before("select_pairs", "captions"),
    output:
        work("select_pairs", "captions"),
    params:
        code=fingerprint("select_pairs"),
        thresholds=json.dumps(SETTINGS["select_pairs"]),
    log:
        f"{R}/logs/captions.select_pairs/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/captions.select_pairs/{{shard}}.tsv"
    threads: 1
    shell:
        "python workflow/scripts/select_pairs.py --table {input.table:q} --out {output:q}"
        " --select {params.thresholds:q} > {log:q} 2>&1"


rule label_camera:
    input:
        plan=ancient(rules.plan_captions.output.manifest),
        table=before("label_camera", "captions"),
    output:
        work("label_camera", "captions"),
    params:
        code=fingerprint("label_camera"),
        options=options("label_camera"),
    log:
        f"{R}/logs/captions.label_camera/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/captions.label_camera/{{shard}}.tsv"
    threads: 1
    resources:
        gpu=0,
    shell:
        "exec python workflow/scripts/label_camera.py"
        " --table {input.table:q} --out {output:q} --threads {threads}"
        " {params.options} > {log:q} 2>&1"


rule cut_clips:
    input:
        plan=ancient(rules.plan_captions.output.manifest),
        table=before("cut_clips", "captions"),
    output:
        work("cut_clips", "captions"),
    params:
        code=fingerprint("cut_clips"),
        options=options("cut_clips"),
    log:
        f"{R}/logs/captions.cut_clips/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/captions.cut_clips/{{shard}}.tsv"
    threads: 1
    resources:
        gpu=0,
    shell:
        "exec python workflow/scripts/cut_clips.py"
        " --table {input.table:q} --out {output:q} --threads {threads}"
        " {params.options} > {log:q} 2>&1"


# With cut.when: first all clips are cut before they are scored, as the reference does; the rule above then only recalls.
use rule cut_clips as cut_clips_first with:
    input:
        plan=ancient(rules.plan_clips.output.manifest),
        table=shard("clips"),
    output:
        work("cut_clips", "clips"),
    log:
        f"{R}/logs/clips.cut_clips/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/clips.cut_clips/{{shard}}.tsv"


rule gather_captions:
    input:
        plan=rules.plan_captions.output.manifest,
        selected=rules.gather_clips.output.selected,
        shards=shards("captions", work("cut_clips", "captions")),
        rejected=[
            rules.list_videos.output.rejects,
            rules.gather_videos.output.rejects,
            rules.gather_clips.output.rejects,
        ],
    output:
        captions=f"{R}/tables/captions.csv",
        meta=f"{R}/meta.csv",
        rejects=f"{R}/rejects.csv",
    params:
        code=fingerprint("gather_captions"),
    log:
        f"{R}/logs/gather_captions.log",
    benchmark:
        f"{R}/benchmarks/gather_captions.tsv"
    threads: 1
    shell:
        "python workflow/scripts/gather_captions.py --selected {input.selected:q} --shards {input.shards:q}"
        " --rejected {input.rejected:q} --captions {output.captions:q} --meta {output.meta:q}"
        " --rejects {output.rejects:q} > {log:q} 2>&1"
