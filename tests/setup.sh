#!/bin/sh
# Set up what is missing: Debian packages (as root), and a virtual environment of our own with pip.
# usage: tests/setup.sh demo|test|package VENV
set -eu
what=$1
venv=$2

packages="python3-venv"
if [ "$what" != demo ]; then
    packages="$packages perl libjson-perl libperl-critic-perl openssh-server openssh-client iproute2 mount git"
fi
if [ "$what" = package ]; then
    packages="$packages mmdebstrap systemd-container"
fi
missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "these packages are missing, and only root can install them:$missing" >&2
        exit 2
    fi
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
extras=""
[ "$what" = demo ] || extras="[test]"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".$extras"
touch "$venv/$what"
