#!/bin/sh
# Build the package from the files of the work tree, in a directory of its own, and check it.
# usage: tests/build-deb.sh OUTPUT-DIRECTORY
set -eu
mkdir -p "$1"
output=$(cd "$1" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/pve-drbd"
git ls-files -z --cached --others --exclude-standard |
    tar --create --exclude=tests --null --files-from=- | tar --extract --directory="$work/pve-drbd"
cd "$work/pve-drbd"
# Debian's own Python builds it, whatever else is first on the PATH.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

if ! command -v lintian >/dev/null || ! dpkg-checkbuilddeps 2>/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    {
        apt-get update
        apt-get build-dep -y --no-install-recommends ./
        apt-get install -y --no-install-recommends lintian
    } >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2 && exit 1; }
fi

dpkg-buildpackage --no-sign --build=binary >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2 && exit 1; }
lintian --fail-on error,warning --allow-root "$work"/*.changes
cp "$work"/*.deb "$output"
ls "$output"/*.deb
