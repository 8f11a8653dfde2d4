"""The command line of every step's script."""

import argparse
import os
from pathlib import Path

from clipmill.engine import remote


def arguments(description: str) -> argparse.Namespace:
    """The parsed command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="the table (shard) to read")
    parser.add_argument("--out", type=Path, required=True, help="the table to write, one row per row read")
    parser.add_argument("--memo", type=Path, required=True, help="folder of what this step remembers")
    parser.add_argument("--shared", type=Path, help="folder of what it remembers together with other steps")
    parser.add_argument("--settings", default="{}", help="what its result depends on, as JSON")
    parser.add_argument("--results", type=Path, default=Path("results"), help="the results folder")
    parser.add_argument(
        "--videos", type=remote.place, default=Path("videos"), help="the folder that relpath starts from"
    )
    parser.add_argument("--store", type=Path, default=Path("frames"), help="the folder of frame stores")
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="lists of models that fetch_model wrote")
    parser.add_argument("--block", default="", help="the configuration block whose models in that list this step uses")
    workers = int(os.environ.get("CLIPMILL_THREADS", 1))
    parser.add_argument("--threads", type=int, default=workers, help="threads that prepare items")
    parser.add_argument(
        "--max-error-share", type=float, default=0.5, help="unexpected faults above which the job fails"
    )
    parser.add_argument(
        "--item-minutes", type=float, default=15, help="after which an item without progress is given up"
    )
    parser.add_argument(
        "--ask", action="store_true", help="write the table only where nothing is to compute; else end with status 75"
    )
    return parser.parse_args()
