"""What is measured: frameworks and their variants, workloads and their scenarios, and the contract between them."""
