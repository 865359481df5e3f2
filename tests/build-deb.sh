#!/bin/sh
# Build the package from the files git knows, in a directory of its own, and check it.
# usage: tests/build-deb.sh OUTPUT-DIRECTORY
set -eu
output=$1
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)

packages="build-essential debhelper dh-python pybuild-plugin-pyproject python3-all python3-setuptools bash-completion lintian"
missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/pve-drbd-$version" "$output" 2>/dev/null || [ -d "$output" ]
git ls-files -z | tar --create --exclude=tests/scenarios --null --files-from=- | tar --extract --directory="$work/pve-drbd-$version"
# Debian's own Python builds it, whatever else is first on the PATH.
(cd "$work/pve-drbd-$version" && PATH=/usr/sbin:/usr/bin:/sbin:/bin dpkg-buildpackage --no-sign --build=binary) >"$work/log" 2>&1 || {
    tail -n 30 "$work/log" >&2
    exit 1
}
PATH=/usr/sbin:/usr/bin:/sbin:/bin lintian --fail-on error,warning --allow-root "$work"/*.changes
cp "$work"/*.deb "$output"
ls "$output"/*.deb
