"""The only I/O: commands on nodes, the PVE API, journals, probes."""
