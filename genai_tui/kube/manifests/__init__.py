"""Documents become Kubernetes objects, and back: pure functions on JSON."""
