"""The commands a person or a script types."""
