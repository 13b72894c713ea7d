"""Talking to engines: the OpenAI-compatible client, with usage and timings, and samples of the same in code."""
