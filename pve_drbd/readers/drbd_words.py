"""DRBD's words in its outputs, as the model's values: what the readers of DRBD look states up in."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from pve_drbd.model.drbd import ConnectionState, DiskState, ReplicationState, Role

ROLES: Mapping[str, Role] = {each.value: each for each in Role}
DISKS: Mapping[str, DiskState] = {each.value: each for each in DiskState}
CONNECTIONS: Mapping[str, ConnectionState] = {each.value: each for each in ConnectionState}
REPLICATIONS: Mapping[str, ReplicationState] = {each.value: each for each in ReplicationState}

SUSPENDED_BY = ("user", "no-data", "fencing", "quorum")
RESYNC_SUSPENDED_BY = ("user", "peer", "dependency", "max-parallel")


def _lists_of(words: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Every list of `words` as DRBD prints it: comma-separated, in this order, 'no' if empty."""
    found = {",".join(some): some for size in range(1, len(words) + 1) for some in combinations(words, size)}
    return {"no": (), **found}


SUSPENDED = _lists_of(SUSPENDED_BY)
"""What `suspended:` can say of a resource's I/O (drbd-utils user/v9/drbdsetup.c, susp_str)."""
RESYNC_SUSPENDED = _lists_of(RESYNC_SUSPENDED_BY)
"""What `resync-suspended:` can say of a volume (drbd-utils user/v9/drbdsetup.c, resync_susp_str)."""
