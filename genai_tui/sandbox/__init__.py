"""A laptop-sized Kubernetes API with simulated GPU nodes and a real small model, in a process of its own."""
