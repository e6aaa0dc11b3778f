"""Measures frameworks and writes ``results/``. It never imports ``generator``."""
