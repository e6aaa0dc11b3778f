"""A campaign's runs: the plan of cells and their order (`planning`), and the run that measures them (`execution`)."""
