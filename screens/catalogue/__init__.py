"""Models and endpoints: what exists before a deployment."""
