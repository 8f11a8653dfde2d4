# The release: what a finished run delivers.


# A change of the release makes nothing else again: run.json does not hold its settings, release.json does.
unreleased = {key: value for key, value in config.items() if key != "release"}


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
        **literal(configuration=json.dumps(unreleased), current=json.dumps(pipeline.folders_in_use())),
        code=fingerprint("summarize"),
        results=lambda wildcards, output: os.path.dirname(output[0]),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/summarize.py --results {params.results:q} --models {input.models:q}'
        " --configuration {params.configuration:q} --current {params.current:q} --out {output:q} > {log:q} 2>&1"


# scripts/draw_figures.py: pictures and small tables of the run, for --report and for the card of a release
rule draw_figures:
    input:
        account=rules.summarize.output,
        scores=rules.gather_clips.output.scores,
        meta=rules.gather_captions.output.meta,
    output:
        report(
            "<results>/report/figures/funnel.svg",
            caption="../report/funnel.rst",
            category="1 Funnel",
            labels={"figure": "from files to pairs"},
        ),
        report(
            "<results>/report/figures/rejects.svg",
            caption="../report/rejects.rst",
            category="1 Funnel",
            labels={"figure": "what was left out, and why"},
        ),
        report(
            "<results>/report/figures/rejects.html",
            caption="../report/rejects.rst",
            category="1 Funnel",
            labels={"figure": "what was left out, as a table"},
        ),
        report(
            "<results>/report/figures/scores.svg",
            caption="../report/scores.rst",
            category="2 Scores",
            labels={"figure": "all clips, the pairs, the thresholds"},
        ),
        report(
            "<results>/report/figures/thresholds.html",
            caption="../report/scores.rst",
            category="2 Scores",
            labels={"figure": "the thresholds, as a table"},
        ),
        report(
            "<results>/report/figures/lengths.svg",
            caption="../report/lengths.rst",
            category="3 Pairs",
            labels={"figure": "lengths and sizes"},
        ),
        report(
            "<results>/report/figures/models.html",
            caption="../report/models.rst",
            category="4 Models",
            labels={"figure": "weights and their digests"},
        ),
    log:
        "<results>/logs/draw_figures.log",
    localrule: True
    threads: 1
    params:
        code=fingerprint("draw_figures"),
        results=lambda wildcards, input: os.path.dirname(str(input.account)),
        folder=lambda wildcards, output: os.path.dirname(output[0]),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/draw_figures.py --results {params.results:q} --out {params.folder:q}'
        " > {log:q} 2>&1"


# scripts/release_webdataset.py: release/webdataset/, tar files with an index
rule release_webdataset:
    input:
        meta=rules.gather_captions.output.meta,
        plan=rules.plan_captions.output.manifest,
        cut=shards("captions.cut_clips"),
    output:
        products.release_table(pipeline, "webdataset"),
    log:
        "<results>/logs/release_webdataset.log",
    benchmark:
        "<results>/benchmarks/release_webdataset.tsv"
    threads: 4
    params:
        **literal(products.release(pipeline, "webdataset")),
        **literal(cut=os.path.dirname(pipeline.table("captions.cut_clips"))),
        results=lambda wildcards, input: os.path.dirname(input.meta),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/release_webdataset.py --results {params.results:q} --cut {params.cut:q}'
        " --options {params.options:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


# scripts/release_parquet.py: release/parquet/, tables with types
rule release_parquet:
    input:
        meta=rules.gather_captions.output.meta,
        plan=rules.plan_captions.output.manifest,
        cut=shards("captions.cut_clips"),
    output:
        products.release_table(pipeline, "parquet"),
    log:
        "<results>/logs/release_parquet.log",
    benchmark:
        "<results>/benchmarks/release_parquet.tsv"
    threads: 1
    params:
        **literal(products.release(pipeline, "parquet")),
        **literal(cut=os.path.dirname(pipeline.table("captions.cut_clips"))),
        results=lambda wildcards, input: os.path.dirname(input.meta),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/release_parquet.py --results {params.results:q} --cut {params.cut:q}'
        " --options {params.options:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


# scripts/release_huggingface.py: release/huggingface/, folders that `datasets` loads
rule release_huggingface:
    input:
        meta=rules.gather_captions.output.meta,
        plan=rules.plan_captions.output.manifest,
        cut=shards("captions.cut_clips"),
    output:
        products.release_table(pipeline, "huggingface"),
    log:
        "<results>/logs/release_huggingface.log",
    benchmark:
        "<results>/benchmarks/release_huggingface.tsv"
    threads: 4
    params:
        **literal(products.release(pipeline, "huggingface")),
        **literal(cut=os.path.dirname(pipeline.table("captions.cut_clips"))),
        results=lambda wildcards, input: os.path.dirname(input.meta),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/release_huggingface.py --results {params.results:q} --cut {params.cut:q}'
        " --options {params.options:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


# scripts/release_csv.py: release/csv/, the table of the reference's trainer
rule release_csv:
    input:
        meta=rules.gather_captions.output.meta,
        plan=rules.plan_captions.output.manifest,
        cut=shards("captions.cut_clips"),
    output:
        products.release_table(pipeline, "csv"),
    log:
        "<results>/logs/release_csv.log",
    benchmark:
        "<results>/benchmarks/release_csv.tsv"
    threads: 1
    params:
        **literal(products.release(pipeline, "csv")),
        **literal(cut=os.path.dirname(pipeline.table("captions.cut_clips"))),
        results=lambda wildcards, input: os.path.dirname(input.meta),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/release_csv.py --results {params.results:q} --cut {params.cut:q}'
        " --options {params.options:q} --threads {threads} --out {output:q} > {log:q} 2>&1"


# scripts/release_card.py: the card, Croissant, release.json and SHA256SUMS of the formats that are asked for
rule release_card:
    input:
        formats=[products.release_table(pipeline, name) for name in config["release"]["formats"]],
        account=rules.summarize.output,
        meta=rules.gather_captions.output.meta,
        figures=rules.draw_figures.output,
    output:
        products.release_table(pipeline, "card"),
    log:
        "<results>/logs/release_card.log",
    localrule: True
    threads: 1
    params:
        **literal(products.release(pipeline, "card")),
        results=lambda wildcards, input: os.path.dirname(input.meta),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/release_card.py --results {params.results:q} --options {params.options:q}'
        " --formats {input.formats:q} --out {output:q} > {log:q} 2>&1"


# scripts/release_to.py: the release at another place, such as a bucket
rule release_to:
    input:
        formats=rules.release_card.input.formats,
        card=rules.release_card.output,
        meta=rules.release_card.input.meta,
    output:
        products.sending_table(pipeline),
    log:
        "<results>/logs/release_to.log",
    localrule: True
    threads: 1
    params:
        **literal(products.sending(pipeline)),
        results=lambda wildcards, input: os.path.dirname(input.meta),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/release_to.py --results {params.results:q} --to {params.to:q}'
        " --files {input.formats:q} {input.card:q} --out {output:q} > {log:q} 2>&1"
