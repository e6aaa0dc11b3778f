"""Proof that the load generator sees what it must see: servers that lie on purpose, and what they did."""
