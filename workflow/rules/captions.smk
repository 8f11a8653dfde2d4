# Phase 3: what was selected is captioned, checked against its picture, labelled and cut; each rule reads the one before it.


checkpoint plan_captions:
    input:
        table=rules.gather_clips.output.selected,
    output:
        manifest=manifest("captions"),
    log:
        f"{R}/logs/plan_captions.log",
    benchmark:
        f"{R}/benchmarks/plan_captions.tsv"
    threads: 1
    resources:
        devices=1,
    params:
        code=fingerprint("plan"),
        options=plan_options("captions"),
    shell:
        "python workflow/scripts/plan.py --table {input.table:q} --manifest {output.manifest:q} {params.options}"
        " --devices {resources.devices} > {log:q} 2>&1"


use rule score_aesthetic as caption_clips with:
    input:
        plan=ancient(manifest("captions")),
        table=before("caption_clips", "captions"),
        models=rules.fetch_models.output,
    output:
        work("caption_clips", "captions"),
    log:
        f"{R}/logs/captions.caption_clips/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/captions.caption_clips/{{shard}}.tsv"
    params:
        code=fingerprint("caption_clips"),
        command=command("caption_clips"),


use rule score_aesthetic as clean_captions with:
    input:
        plan=ancient(manifest("captions")),
        table=before("clean_captions", "captions"),
        models=rules.fetch_models.output,
    output:
        work("clean_captions", "captions"),
    log:
        f"{R}/logs/captions.clean_captions/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/captions.clean_captions/{{shard}}.tsv"
    params:
        code=fingerprint("clean_captions"),
        command=command("clean_captions"),


use rule score_aesthetic as score_match with:
    input:
        plan=ancient(manifest("captions")),
        table=before("score_match", "captions"),
        models=rules.fetch_models.output,
    output:
        work("score_match", "captions"),
    log:
        f"{R}/logs/captions.score_match/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/captions.score_match/{{shard}}.tsv"
    params:
        code=fingerprint("score_match"),
        command=command("score_match"),


rule select_pairs:
    input:
        plan=ancient(manifest("captions")),
        table=before("select_pairs", "captions"),
    output:
        work("select_pairs", "captions"),
    log:
        f"{R}/logs/captions.select_pairs/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/captions.select_pairs/{{shard}}.tsv"
    threads: 1
    params:
        code=fingerprint("select_pairs"),
        thresholds=json.dumps(SETTINGS["select_pairs"]),
    shell:
        "python workflow/scripts/select_pairs.py --table {input.table:q} --out {output:q}"
        " --select {params.thresholds:q} > {log:q} 2>&1"


use rule scan_videos as label_camera with:
    input:
        plan=ancient(manifest("captions")),
        table=before("label_camera", "captions"),
    output:
        work("label_camera", "captions"),
    log:
        f"{R}/logs/captions.label_camera/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/captions.label_camera/{{shard}}.tsv"
    params:
        code=fingerprint("label_camera"),
        command=command("label_camera"),


use rule scan_videos as cut_clips with:
    input:
        plan=ancient(manifest("captions")),
        table=before("cut_clips", "captions"),
    output:
        work("cut_clips", "captions"),
    log:
        f"{R}/logs/captions.cut_clips/{{shard}}.log",
    benchmark:
        f"{R}/benchmarks/captions.cut_clips/{{shard}}.tsv"
    params:
        code=fingerprint("cut_clips"),
        command=command("cut_clips"),


# With cut.when: first all clips are cut before they are scored, as the reference does; the rule above then only recalls.
use rule cut_clips as cut_clips_first with:
    input:
        plan=ancient(manifest("clips")),
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
    log:
        f"{R}/logs/gather_captions.log",
    benchmark:
        f"{R}/benchmarks/gather_captions.tsv"
    threads: 1
    params:
        code=fingerprint("gather_captions"),
    shell:
        "python workflow/scripts/gather_captions.py --selected {input.selected:q} --shards {input.shards:q}"
        " --rejected {input.rejected:q} --captions {output.captions:q} --meta {output.meta:q}"
        " --rejects {output.rejects:q} > {log:q} 2>&1"
