"""What a user wants done: one function per use case, which takes values and an observer and returns a value."""
