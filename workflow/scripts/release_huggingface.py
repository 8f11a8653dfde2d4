"""Release the pairs of a finished run as folders that `datasets` loads.

Example: python workflow/scripts/release_huggingface.py --results results/demo --cut "$CUT" \\
             --options "$OPTIONS" --out huggingface.csv
"""

from clipmill.release.huggingface import HuggingFace
from clipmill.release.writer import main

if __name__ == "__main__":
    main(HuggingFace, __doc__)
