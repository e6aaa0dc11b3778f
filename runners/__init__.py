"""Measures frameworks and writes ``results/``; never imports ``generator``."""
