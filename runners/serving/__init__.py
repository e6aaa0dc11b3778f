"""Serves a variant: its environment, its broker and its server, together as a deployment."""
