"""The machine: its cores, clocks and processes, and the state of the checkout. One module per outside thing."""
