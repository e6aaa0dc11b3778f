"""Applies load: starts shards of the load generator, controls them and merges their results."""
