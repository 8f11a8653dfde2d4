# Phase 2: each scorer looks at every clip independently; only select_clips applies thresholds.


# scripts/plan.py: the shards of tables/clips.csv
checkpoint plan_clips:
    input:
        table=rules.gather_videos.output.clips,
        extras=rules.list_videos.output.extras,
    output:
        manifest="<results>/plan/clips/manifest.csv",
    log:
        "<results>/logs/plan_clips.log",
    benchmark:
        "<results>/benchmarks/plan_clips.tsv"
    localrule: True
    threads: 1
    resources:
        devices=1,
    params:
        **literal(pipeline.plan("clips")),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/plan.py --table {input.table:q} --manifest {output.manifest:q} {params.options}'
        " --extras {input.extras:q}"
        " --devices {resources.devices} > {log:q} 2>&1"


# scripts/score_aesthetic.py: column aes
rule score_aesthetic:
    input:
        plan=ancient("<results>/plan/clips/manifest.csv"),
        table="<results>/plan/clips/{shard}.csv",
        models=pipeline.lists("clips.score_aesthetic"),
    output:
        pipeline.table("clips.score_aesthetic"),
    log:
        "<results>/logs/clips.score_aesthetic/{shard}.log",
    threads: 1
    resources:
        gpu=0,
        ranks=1,
    params:
        **literal(pipeline.params("clips.score_aesthetic")),
    shell:
        'exec python "$CLIPMILL_WORKFLOW"/scripts/launch.py --ask --gpus {resources.gpu} --ranks {resources.ranks} --threads {threads}'
        " {params.command} --table {input.table:q} --models {input.models:q} --out {output:q} > {log:q} 2>&1"


# scripts/score_flow.py: column flow, and with `apart` flow_camera and flow_object
use rule score_aesthetic as score_flow with:
    input:
        plan=ancient("<results>/plan/clips/manifest.csv"),
        table="<results>/plan/clips/{shard}.csv",
        models=pipeline.lists("clips.score_flow"),
    output:
        pipeline.table("clips.score_flow"),
    log:
        "<results>/logs/clips.score_flow/{shard}.log",
    params:
        **literal(pipeline.params("clips.score_flow")),


# scripts/score_ocr.py: columns ocr and ocr_area, and of several moments ocr_overlay and ocr_corner
use rule score_aesthetic as score_ocr with:
    input:
        plan=ancient("<results>/plan/clips/manifest.csv"),
        table="<results>/plan/clips/{shard}.csv",
        models=pipeline.lists("clips.score_ocr"),
    output:
        pipeline.table("clips.score_ocr"),
    log:
        "<results>/logs/clips.score_ocr/{shard}.log",
    params:
        **literal(pipeline.params("clips.score_ocr")),


# scripts/score_classifiers.py: a column for each classifier of `score.classifiers`
use rule score_aesthetic as score_classifiers with:
    input:
        plan=ancient("<results>/plan/clips/manifest.csv"),
        table="<results>/plan/clips/{shard}.csv",
        models=pipeline.lists("clips.score_classifiers"),
    output:
        pipeline.table("clips.score_classifiers"),
    log:
        "<results>/logs/clips.score_classifiers/{shard}.log",
    params:
        **literal(pipeline.params("clips.score_classifiers")),


# scripts/score_labels.py: a column for each of `score.labels`, and label; from the vectors of score_aesthetic
use rule score_aesthetic as score_labels with:
    input:
        plan=ancient("<results>/plan/clips/manifest.csv"),
        table="<results>/plan/clips/{shard}.csv",
        models=pipeline.lists("clips.score_labels"),
        vectors=pipeline.before("clips.score_labels"),
    output:
        pipeline.table("clips.score_labels"),
    log:
        "<results>/logs/clips.score_labels/{shard}.log",
    params:
        **literal(pipeline.params("clips.score_labels")),


# scripts/score_coherence.py: column coherence; from the vectors of score_aesthetic
use rule score_aesthetic as score_coherence with:
    input:
        plan=ancient("<results>/plan/clips/manifest.csv"),
        table="<results>/plan/clips/{shard}.csv",
        models=pipeline.lists("clips.score_coherence"),
        vectors=pipeline.before("clips.score_coherence"),
    output:
        pipeline.table("clips.score_coherence"),
    log:
        "<results>/logs/clips.score_coherence/{shard}.log",
    params:
        **literal(pipeline.params("clips.score_coherence")),


# scripts/hash_clips.py: column hashes, for find_duplicates
rule hash_clips:
    input:
        plan=ancient("<results>/plan/clips/manifest.csv"),
        table="<results>/plan/clips/{shard}.csv",
    output:
        pipeline.table("clips.hash_clips"),
    log:
        "<results>/logs/clips.hash_clips/{shard}.log",
    threads: 1
    params:
        **literal(pipeline.params("clips.hash_clips")),
    shell:
        "exec python {params.command} --table {input.table:q} --out {output:q} --threads {threads} > {log:q} 2>&1"


# scripts/embed_clips.py: column vector, for find_duplicates and find_clusters; from the vectors of score_aesthetic
use rule score_aesthetic as embed_clips with:
    input:
        plan=ancient("<results>/plan/clips/manifest.csv"),
        table="<results>/plan/clips/{shard}.csv",
        models=pipeline.lists("clips.embed_clips"),
        vectors=pipeline.before("clips.embed_clips"),
    output:
        pipeline.table("clips.embed_clips"),
    log:
        "<results>/logs/clips.embed_clips/{shard}.log",
    params:
        **literal(pipeline.params("clips.embed_clips")),


# scripts/select_clips.py: joins the scores and applies the thresholds
rule select_clips:
    input:
        plan=ancient("<results>/plan/clips/manifest.csv"),
        table="<results>/plan/clips/{shard}.csv",
        scores=[*pipeline.before("clips.select_clips"), *options.extras(pipeline, "clips.select_clips")],
        ids=literal_path(config["chosen"]),
    output:
        pipeline.table("clips.select_clips"),
    log:
        "<results>/logs/clips.select_clips/{shard}.log",
    # It takes a tenth of a second, so it waits in no queue of a cluster.
    localrule: True
    threads: 1
    params:
        **literal(pipeline.selection("clips.select_clips")),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/select_clips.py --table {input.table:q} --scores {input.scores:q} --out {output:q}'
        " --ids {input.ids:q} --select {params.thresholds:q} > {log:q} 2>&1"


# scripts/cut_clips.py: with `cut.when: first`, all clips are cut before the selection, as in the reference;
# cut_clips of the last phase then only recalls
rule cut_clips_first:
    input:
        plan=ancient("<results>/plan/clips/manifest.csv"),
        table="<results>/plan/clips/{shard}.csv",
    output:
        pipeline.table("clips.cut_clips"),
    log:
        "<results>/logs/clips.cut_clips/{shard}.log",
    threads: 1
    params:
        **literal(pipeline.params("clips.cut_clips")),
    shell:
        "exec python {params.command} --table {input.table:q} --out {output:q} --threads {threads} > {log:q} 2>&1"


if targets.needs_camera(config):

    # scripts/label_camera.py: where a target balances `cmotion`, the clips that pass the thresholds are labelled before
    # it; label_camera of the last phase then only recalls
    rule label_camera_first:
        input:
            plan=ancient("<results>/plan/clips/manifest.csv"),
            table=pipeline.before("clips.label_camera"),
        output:
            pipeline.table("clips.label_camera"),
        log:
            "<results>/logs/clips.label_camera/{shard}.log",
        threads: 1
        params:
            **literal(pipeline.params("clips.label_camera")),
        shell:
            "exec python {params.command} --table {input.table:q} --out {output:q} --threads {threads} > {log:q} 2>&1"


# scripts/find_duplicates.py: tables/duplicates.csv, with `duplicates.enabled`
rule find_duplicates:
    input:
        plan=rules.plan_clips.output.manifest,
        hashes=shards("clips.hash_clips"),
        selected=shards("clips.select_clips"),
        vectors=shards("clips.embed_clips") if targets.near(config) else [],
    output:
        "<results>/tables/duplicates.csv",
    log:
        "<results>/logs/find_duplicates.log",
    benchmark:
        "<results>/benchmarks/find_duplicates.tsv"
    threads: 1
    params:
        **literal(options.duplicates(pipeline)),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/find_duplicates.py --hashes {input.hashes:q} --selected {input.selected:q}'
        " --memo {params.memo:q} --out {output:q} --vectors {input.vectors:q} {params.embeddings} > {log:q} 2>&1"


# scripts/find_clusters.py: tables/clusters.csv, with `clusters.number`
rule find_clusters:
    input:
        plan=rules.plan_clips.output.manifest,
        vectors=shards("clips.embed_clips"),
        selected=shards("clips.select_clips"),
        duplicates=rules.find_duplicates.output if config["duplicates"]["enabled"] else [],
    output:
        "<results>/tables/clusters.csv",
    log:
        "<results>/logs/find_clusters.log",
    benchmark:
        "<results>/benchmarks/find_clusters.tsv"
    threads: 1
    params:
        **literal(options.clusters(pipeline)),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/find_clusters.py --vectors {input.vectors:q} --selected {input.selected:q}'
        " --duplicates {input.duplicates:q} --number {params.number} --out {output:q} > {log:q} 2>&1"


# scripts/fill_quotas.py: tables/quotas.csv, groups.csv and targets.csv, with `select.target`
rule fill_quotas:
    input:
        plan=rules.plan_clips.output.manifest,
        clips=rules.gather_videos.output.clips,
        shards=shards("clips.label_camera" if targets.needs_camera(config) else "clips.select_clips"),
        duplicates=rules.find_duplicates.output if config["duplicates"]["enabled"] else [],
        clusters=rules.find_clusters.output if config["clusters"]["number"] else [],
    output:
        out="<results>/tables/quotas.csv",
        groups="<results>/tables/groups.csv",
        targets="<results>/tables/targets.csv",
    log:
        "<results>/logs/fill_quotas.log",
    benchmark:
        "<results>/benchmarks/fill_quotas.tsv"
    threads: 1
    params:
        **literal(options.quotas(pipeline)),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/fill_quotas.py --clips {input.clips:q} --shards {input.shards:q}'
        " --duplicates {input.duplicates:q} --clusters {input.clusters:q} --target {params.target:q} --out {output.out:q} --groups {output.groups:q}"
        " --targets {output.targets:q} > {log:q} 2>&1"


# scripts/gather_clips.py: tables/scores.csv and tables/selected.csv
rule gather_clips:
    input:
        plan=rules.plan_clips.output.manifest,
        clips=rules.gather_videos.output.clips,
        extras=rules.list_videos.output.extras,
        shards=shards("clips.select_clips"),
        cut=shards("clips.cut_clips"),
        duplicates=rules.find_duplicates.output if config["duplicates"]["enabled"] else [],
        clusters=rules.find_clusters.output if config["clusters"]["number"] else [],
        quotas=rules.fill_quotas.output.out if targets.active(config) else [],
    output:
        scores="<results>/tables/scores.csv",
        selected="<results>/tables/selected.csv",
        rejects="<results>/work/rejects/clips.csv",
    log:
        "<results>/logs/gather_clips.log",
    benchmark:
        "<results>/benchmarks/gather_clips.tsv"
    threads: 1
    params:
        code=fingerprint("gather_clips"),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/gather_clips.py --clips {input.clips:q} --shards {input.shards:q}'
        " --extras {input.extras:q} --scores {output.scores:q} --selected {output.selected:q} --rejects {output.rejects:q}"
        " --duplicates {input.duplicates:q} --quotas {input.quotas:q} --clusters {input.clusters:q} > {log:q} 2>&1"
