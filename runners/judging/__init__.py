"""Judgement of measurements: thresholds, trends within a window, and the search for a capacity. Pure functions."""
