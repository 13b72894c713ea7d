"""The picture of the cluster in memory: observed objects in, derived rows and revisions out."""
