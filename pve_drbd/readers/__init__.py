"""Text in, model out: one pure reader per format that a pair can print."""
