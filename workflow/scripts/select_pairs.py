"""Select pairs: apply the threshold of the match between caption and clip.

Example: python workflow/scripts/select_pairs.py --table 00000.csv --out pairs.csv --select '{"match": {"min": 20}}'
"""

from clipmill.clips import selecting

if __name__ == "__main__":
    selecting.main("select_pairs", __doc__)
