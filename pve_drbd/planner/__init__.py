"""Pure planning: a survey in, a plan of steps out."""
