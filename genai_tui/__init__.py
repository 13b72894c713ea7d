"""The terminal console for operators who run generative-AI models on Kubernetes: everything but the screens."""
