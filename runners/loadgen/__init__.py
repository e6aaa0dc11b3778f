"""The load generator: a process of its own that imports nothing else of ``runners``."""
