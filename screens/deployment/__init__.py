"""One deployment: overview, rollout, logs, API, manifest."""
