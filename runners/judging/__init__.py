"""What a measurement is worth: validity thresholds, trends within a window, and the search for a capacity. Pure."""
