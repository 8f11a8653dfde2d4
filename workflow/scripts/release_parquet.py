"""Release the pairs of a finished run as Parquet tables.

Example: python workflow/scripts/release_parquet.py --results results/demo --cut "$CUT" \\
             --options "$OPTIONS" --out parquet.csv
"""

from clipmill.release.parquet import Parquet
from clipmill.release.writer import main

if __name__ == "__main__":
    main(Parquet, __doc__)
