"""Release the pairs of a finished run as WebDataset shards.

Example: python workflow/scripts/release_webdataset.py --results results/demo --cut "$CUT" \\
             --options "$OPTIONS" --out webdataset.csv
"""

from clipmill.release.webdataset import WebDataset
from clipmill.release.writer import main

if __name__ == "__main__":
    main(WebDataset, __doc__)
