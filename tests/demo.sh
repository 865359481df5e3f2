#!/bin/sh
# The main job on recorded evidence of a real pair: healthy, and on the night of a split brain.
set -u
pve_drbd="${VENV:-.venv}/bin/pve-drbd"
healthy=tests/scenarios/84-healthy-probed
split=tests/scenarios/84-split-brain

show() {
    printf '\n\033[1m$ pve-drbd %s\033[0m\n' "$*"
    "$pve_drbd" "$@"
    printf '(exit code %s)\n' "$?"
}

show --replay "$healthy" status
show --replay "$healthy" check migration 100 --to proxmox-106
show --replay "$split" status
show --replay "$split" check migration 100 --to proxmox-106
