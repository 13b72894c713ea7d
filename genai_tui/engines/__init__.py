"""The inference engines: a spec becomes a container; their logs, metrics and failures become values.

Pure: nothing here talks to a cluster or an engine.
"""
