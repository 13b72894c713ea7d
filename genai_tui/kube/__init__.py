"""Talking to the Kubernetes API. The only package that may import `kubernetes`."""
