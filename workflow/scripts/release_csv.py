"""Release the pairs of a finished run as the CSV of the reference's trainer.

Example: python workflow/scripts/release_csv.py --results results/demo --cut "$CUT" \\
             --options "$OPTIONS" --out csv.csv
"""

from clipmill.release.reference_csv import ReferenceCsv
from clipmill.release.writer import main

if __name__ == "__main__":
    main(ReferenceCsv, __doc__)
