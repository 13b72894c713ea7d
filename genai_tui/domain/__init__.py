"""Frozen values and pure functions: what a deployment is, what state it is in, what it costs.

Knows no terminal and no cluster; imports the standard library, pydantic and the currency list of iso4217 alone.
"""
