"""What is decided before a job: the configuration, the pipeline, costs and shards."""
