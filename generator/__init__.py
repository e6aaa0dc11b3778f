"""Reads ``results/`` and writes the site."""
