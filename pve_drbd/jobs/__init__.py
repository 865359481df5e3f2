"""Gather and act: rules and planner joined to the world."""
