"""The subjects of measurements: frameworks and their variants, workloads and their scenarios, and which variants run
which scenarios.
"""
