"""The load generator: a process of its own that imports nothing else of ``runners``."""

PACKAGES = ("httptools", "llvmlite", "msgpack", "numba", "numpy")
"""Packages that it uses besides Python's standard library. Their versions determine its speed."""
