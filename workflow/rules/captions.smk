# Phase 3: selected clips are captioned, matched with their frames, labelled and cut; each rule reads the one before it.


# scripts/plan.py: the shards of tables/selected.csv
checkpoint plan_captions:
    input:
        table=rules.gather_clips.output.selected,
        extras=rules.list_videos.output.extras,
    output:
        manifest="<results>/plan/captions/manifest.csv",
    log:
        "<results>/logs/plan_captions.log",
    benchmark:
        "<results>/benchmarks/plan_captions.tsv"
    localrule: True
    threads: 1
    resources:
        devices=1,
    params:
        **literal(pipeline.plan("captions")),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/plan.py --table {input.table:q} --manifest {output.manifest:q} {params.options}'
        " --extras {input.extras:q}"
        " --devices {resources.devices} > {log:q} 2>&1"


# scripts/caption_clips.py: column text
rule caption_clips:
    input:
        plan=ancient("<results>/plan/captions/manifest.csv"),
        table="<results>/plan/captions/{shard}.csv",
        models=pipeline.lists("captions.caption_clips"),
    output:
        pipeline.table("captions.caption_clips"),
    log:
        "<results>/logs/captions.caption_clips/{shard}.log",
    threads: 1
    resources:
        gpu=0,
        ranks=1,
    params:
        **literal(pipeline.params("captions.caption_clips")),
    shell:
        'exec python "$CLIPMILL_WORKFLOW"/scripts/launch.py --ask --gpus {resources.gpu} --ranks {resources.ranks} --threads {threads}'
        " {params.command} --table {input.table:q} --models {input.models:q} --out {output:q} > {log:q} 2>&1"


if config["caption"]["server"]["url"]:

    # The model is elsewhere: a rule of another name gets none of the GPUs that a profile gives to caption_clips.
    ruleorder: caption_by_server > caption_clips

    use rule caption_clips as caption_by_server with:
        output:
            pipeline.table("captions.caption_clips"),


# scripts/clean_captions.py: column text, cleaned
use rule caption_clips as clean_captions with:
    input:
        plan=ancient("<results>/plan/captions/manifest.csv"),
        table=pipeline.before("captions.clean_captions"),
        models=pipeline.lists("captions.clean_captions"),
    output:
        pipeline.table("captions.clean_captions"),
    log:
        "<results>/logs/captions.clean_captions/{shard}.log",
    # Without a model it takes a millisecond per caption, so it waits in no queue of a cluster.
    localrule: not config["refine"]["model"]
    params:
        **literal(pipeline.params("captions.clean_captions")),


# scripts/score_match.py: column match
use rule caption_clips as score_match with:
    input:
        plan=ancient("<results>/plan/captions/manifest.csv"),
        table=pipeline.before("captions.score_match"),
        models=pipeline.lists("captions.score_match"),
    output:
        pipeline.table("captions.score_match"),
    log:
        "<results>/logs/captions.score_match/{shard}.log",
    params:
        **literal(pipeline.params("captions.score_match")),


# scripts/select_pairs.py: applies the threshold of match
rule select_pairs:
    input:
        plan=ancient("<results>/plan/captions/manifest.csv"),
        table=pipeline.before("captions.select_pairs"),
    output:
        pipeline.table("captions.select_pairs"),
    log:
        "<results>/logs/captions.select_pairs/{shard}.log",
    localrule: True
    threads: 1
    params:
        **literal(pipeline.selection("captions.select_pairs")),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/select_pairs.py --table {input.table:q} --out {output:q}'
        " --select {params.thresholds:q} > {log:q} 2>&1"


# scripts/label_camera.py: column cmotion
rule label_camera:
    input:
        plan=ancient("<results>/plan/captions/manifest.csv"),
        table=pipeline.before("captions.label_camera"),
    output:
        pipeline.table("captions.label_camera"),
    log:
        "<results>/logs/captions.label_camera/{shard}.log",
    threads: 1
    params:
        **literal(pipeline.params("captions.label_camera")),
    shell:
        "exec python {params.command} --table {input.table:q} --out {output:q} --threads {threads} > {log:q} 2>&1"


# scripts/cut_clips.py: the files of the pairs
use rule label_camera as cut_clips with:
    input:
        plan=ancient("<results>/plan/captions/manifest.csv"),
        table=pipeline.before("captions.cut_clips"),
    output:
        pipeline.table("captions.cut_clips"),
    log:
        "<results>/logs/captions.cut_clips/{shard}.log",
    params:
        **literal(pipeline.params("captions.cut_clips")),


# scripts/caption_clips.py: column text of another captioner, which meta.csv has as text_<name>
use rule caption_clips as caption_more with:
    input:
        plan=ancient("<results>/plan/captions/manifest.csv"),
        table="<results>/plan/captions/{shard}.csv",
        models=lambda wildcards: pipeline.lists(f"captions.caption_clips.{wildcards.captioner}"),
    output:
        pipeline.of_captioner("caption_clips"),
    log:
        "<results>/logs/captions.caption_clips.{captioner}/{digest}.{shard}.log",
    params:
        code=lambda wildcards: pipeline.params(f"captions.caption_clips.{wildcards.captioner}")["code"],
        command=lambda wildcards: pipeline.params(f"captions.caption_clips.{wildcards.captioner}")["command"],


if captioning.on_servers(config):

    ruleorder: caption_more_by_server > caption_more

    use rule caption_more as caption_more_by_server with:
        output:
            pipeline.of_captioner("caption_clips", *captioning.on_servers(config)),


# scripts/clean_captions.py: the same, cleaned
use rule caption_clips as clean_more with:
    input:
        plan=ancient("<results>/plan/captions/manifest.csv"),
        table=lambda wildcards: [
            table.format(shard=wildcards.shard)
            for table in pipeline.before(f"captions.clean_captions.{wildcards.captioner}")
        ],
        models=pipeline.lists("captions.clean_captions"),
    output:
        pipeline.of_captioner("clean_captions"),
    log:
        "<results>/logs/captions.clean_captions.{captioner}/{digest}.{shard}.log",
    localrule: not config["refine"]["model"]
    params:
        code=lambda wildcards: pipeline.params(f"captions.clean_captions.{wildcards.captioner}")["code"],
        command=lambda wildcards: pipeline.params(f"captions.clean_captions.{wildcards.captioner}")["command"],


# scripts/gather_captions.py: tables/captions.csv, meta.csv and rejects.csv
rule gather_captions:
    input:
        plan=rules.plan_captions.output.manifest,
        selected=rules.gather_clips.output.selected,
        extras=rules.list_videos.output.extras,
        shards=shards(pipeline.last("captions")),
        more=shards(*captioning.last_rules(config).values()),
        rejected=[
            rules.list_videos.output.rejects,
            rules.gather_videos.output.rejects,
            rules.gather_clips.output.rejects,
        ],
    output:
        captions="<results>/tables/captions.csv",
        meta="<results>/meta.csv",
        rejects="<results>/rejects.csv",
    log:
        "<results>/logs/gather_captions.log",
    benchmark:
        "<results>/benchmarks/gather_captions.tsv"
    threads: 1
    params:
        **literal(options=options.gathering(pipeline)),
        code=fingerprint("gather_captions"),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/gather_captions.py --selected {input.selected:q} --shards {input.shards:q}'
        " --extras {input.extras:q}"
        " --rejected {input.rejected:q} --captions {output.captions:q} --meta {output.meta:q}"
        " --more {input.more:q} --rejects {output.rejects:q} {params.options} > {log:q} 2>&1"
