# The threshold page: report/index.html, before captioning (`snakemake score_report`) and at the end of a run.


# scripts/score_report.py: every score with its limits, yields and pictures
rule score_report:
    input:
        listing=rules.list_videos.output.listing,
        videos=rules.gather_videos.output.videos,
        scores=rules.gather_clips.output.scores,
        quotas=rules.fill_quotas.output if targets.active(config) else [],
        duplicates=rules.find_duplicates.output if config["duplicates"]["enabled"] else [],
        clusters=rules.find_clusters.output if config["clusters"]["number"] else [],
        rejected=[
            rules.list_videos.output.rejects,
            rules.gather_videos.output.rejects,
            rules.gather_clips.output.rejects,
        ],
    output:
        report(
            "<results>/report/index.html",
            caption="../report/page.rst",
            category="0 Threshold page",
            labels={"page": "scores, limits, yields and pictures"},
        ),
    log:
        "<results>/logs/score_report.log",
    benchmark:
        "<results>/benchmarks/score_report.tsv"
    threads: 1
    params:
        **literal(products.report(pipeline)),
        # Lazy: other marks in the same file change the page.
        marks=lambda wildcards: marks.state(config["marks"]),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/score_report.py --settings {params.settings:q} --out {output:q} > {log:q} 2>&1'


# scripts/score_report.py: the same page with captions and pairs; the stamp says that it was completed
rule complete_report:
    input:
        page=rules.score_report.output,
        captions=rules.gather_captions.output.captions,
        meta=rules.gather_captions.output.meta,
        rejects=rules.gather_captions.output.rejects,
    output:
        "<results>/report/complete.json",
    log:
        "<results>/logs/complete_report.log",
    benchmark:
        "<results>/benchmarks/complete_report.tsv"
    threads: 1
    params:
        **literal(products.report(pipeline)),
    shell:
        'python "$CLIPMILL_WORKFLOW"/scripts/score_report.py --settings {params.settings:q} --out {input.page:q}'
        " --complete {output:q} > {log:q} 2>&1"
