# Parts of the flow, for whoever needs no more. Each ends with its own summary (scripts/part.py).


# Cuts: tables/videos.csv and tables/clips.csv
rule scenes:
    input:
        after_check,
        rules.plan_videos.output,
        tables=[rules.gather_videos.output.videos, rules.gather_videos.output.clips],
    log:
        "<results>/logs/scenes.log",
    localrule: True
    params:
        **literal(results=pipeline.results, part="scenes", chosen=[]),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/part.py {params.part} --results {params.results:q}'
        " --chosen {params.chosen:q} 2>&1 | tee {log:q}"


# Scores, without captions: tables/scores.csv and tables/selected.csv
use rule scenes as scores with:
    input:
        after_check,
        rules.plan_videos.output,
        rules.plan_clips.output,
        tables=[rules.gather_videos.output.videos, rules.gather_clips.output.scores],
    log:
        "<results>/logs/scores.log",
    params:
        **literal(results=pipeline.results, part="scores", chosen=[config["chosen"]] if config["chosen"] else []),


# scripts/gather_texts.py: tables/texts.csv
rule gather_texts:
    input:
        plan=rules.plan_captions.output.manifest,
        selected=rules.gather_clips.output.selected,
        shards=shards(pipeline.last("captions", "caption_clips", "clean_captions")),
        more=shards(*captioning.last_rules(config).values()),
    output:
        "<results>/tables/texts.csv",
    log:
        "<results>/logs/gather_texts.log",
    benchmark:
        "<results>/benchmarks/gather_texts.tsv"
    threads: 1
    params:
        **literal(options=options.gathering(pipeline)),
        code=fingerprint("gather_texts"),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/gather_texts.py --selected {input.selected:q} --shards {input.shards:q}'
        " --more {input.more:q} --out {output:q} {params.options} > {log:q} 2>&1"


# Captions of the clips that are selected, or that `chosen` names; no matching, no files: tables/texts.csv
use rule scenes as captions with:
    input:
        after_check,
        rules.plan_videos.output,
        rules.plan_clips.output,
        rules.plan_captions.output,
        tables=rules.gather_texts.output,
    log:
        "<results>/logs/captions.log",
    params:
        **literal(results=pipeline.results, part="captions", chosen=[config["chosen"]] if config["chosen"] else []),


# Every table with meta.csv and run.json; asked for by name: otherwise Snakemake would not notice a lost one.
# `after_check` comes first: what is damaged is removed before Snakemake looks at any file.
rule pairs:
    input:
        after_check,
        rules.plan_videos.output,
        rules.gather_videos.output,
        rules.plan_clips.output,
        rules.gather_clips.output,
        rules.plan_captions.output,
        rules.gather_captions.output,
        rules.summarize.output,
    localrule: True
