"""Applying load: shards of the load generator started, followed and merged."""
