"""The use cases of the project: one function each, which takes values and an observer and returns a value."""
