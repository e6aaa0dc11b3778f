"""What a measurement is worth: thresholds, trends within a window, and the search for a capacity. Pure."""
