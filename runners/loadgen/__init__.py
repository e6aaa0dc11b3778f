"""The load generator: a process of its own that imports nothing else of ``runners``."""

PACKAGES = ("httptools", "msgpack", "numba", "numpy")
"""What it is made of besides Python's standard library; their versions decide how fast it is."""
