"""The words of DRBD, LVM and PVE as frozen values: what a survey is made of."""
