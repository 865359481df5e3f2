#!/bin/sh
# Tells how the commands end that the service runs, and some that it has no need of.
try() {
    words=$1
    shift
    "$@" >/dev/null 2>&1
    echo "$words $?"
}
try "may ssh" ssh -V
try "may drbdadm" drbdadm --version
try "may lvs" lvs --readonly
try "may vgs" vgs --readonly
try "may pvs" pvs --readonly
try "may lvmconfig" lvmconfig
try "may lsblk" lsblk
try "may ip" ip -json address show
try "may ping" ping -n -q -c 1 -W 1 127.0.0.1
try "may plugin" perl -I/brought/perl -MPVE::Storage::Custom::DrbdLvmPlugin -e 1
try "may state" touch /var/lib/pve-drbd/written
try "may locks" touch /run/lock/written
try "may not settings" touch /etc/written
try "may not home" touch /root/written
try "may not mount" mount -t tmpfs none /mnt
