"""What is measured: frameworks and their variants, workloads and their scenarios, and which variant runs which."""
