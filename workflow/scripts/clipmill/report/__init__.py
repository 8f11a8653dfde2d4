"""The threshold page: what each threshold keeps and drops, with pictures, before anything is captioned."""
