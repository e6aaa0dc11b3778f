"""A campaign's runs: which cells are measured in which order (`plan`), and the run that measures them (`execution`)."""
