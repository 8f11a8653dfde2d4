"""Select clips: join the scores and apply the thresholds; what falls out is a reject that names the threshold.

Example: python workflow/scripts/select_clips.py --table 00000.csv --scores aes.csv flow.csv --out selected.csv \\
             --select '{"aes": {"min": 5}}'
"""

from clipmill.clips import selecting

if __name__ == "__main__":
    selecting.main("select_clips", __doc__)
