"""Release a merged results folder, which no workflow makes: the same writers, with the release of a configuration.

Example: make release RESULTS=results/all CONFIG=config/config.yaml
"""

import argparse
import json
import os
import sys
from pathlib import Path

from yaml import YAMLError

from clipmill.engine import tables, vouch
from clipmill.plan import config, products
from clipmill.plan.pipeline import Pipeline
from clipmill.release.delivery import Delivery
from clipmill.release.huggingface import HuggingFace
from clipmill.release.parquet import Parquet
from clipmill.release.reference_csv import ReferenceCsv
from clipmill.release.vouched_clips import DamagedClip
from clipmill.release.webdataset import WebDataset
from clipmill.tools.parts import CUT, SCHEMA, Part, account_of

WRITERS = {kind.name: kind for kind in (WebDataset, Parquet, HuggingFace, ReferenceCsv)}


def main() -> None:
    """Parse the command line and write; a mistake or a damaged clip is a plain message."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="a folder that make merge has made")
    parser.add_argument("--config", type=Path, required=True, help="the configuration whose block `release` counts")
    args = parser.parse_args()
    part = Part(args.results, account_of(args.results))
    try:
        wanted = {"release": (config.load(args.config) or {}).get("release", {}), "results": str(args.results)}
        pipeline = Pipeline(config.check(part.account["configuration"] | wanted, SCHEMA), config.load(SCHEMA))
        release(part, pipeline)
    except (config.ConfigError, YAMLError, OSError, tables.TableError, DamagedClip, vouch.Damaged) as error:
        sys.exit(f"release: {error}")


def release(part: Part, pipeline: Pipeline) -> None:
    """Write every format and the card."""
    written = []
    for name in pipeline.config["release"]["formats"]:
        options, out = (json.loads(products.release(pipeline, name)["options"]), products.release_table(pipeline, name))
        cut, threads = part.work(CUT) or part.folder / "work" / CUT, len(os.sched_getaffinity(0))
        WRITERS[name](part.folder, cut, options, threads).run(Path(out))
        written.append(Path(out))
    options, out = json.loads(products.release(pipeline, "card")["options"]), products.release_table(pipeline, "card")
    Delivery(part.folder, options).write(written, Path(out))


if __name__ == "__main__":
    main()
