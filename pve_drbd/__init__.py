"""pve-drbd: the guard between Proxmox VE and a dual-primary DRBD pair."""

__version__ = "0.1.0"
