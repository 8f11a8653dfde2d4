"""Runs any step on any shard. Nothing here makes a result, so a change here forgets none."""
