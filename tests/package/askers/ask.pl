#!/usr/bin/perl -T

# Asks the gate as PVE does on the source of a live migration: through the installed plugin.

use strict;
use warnings;

use lib '/brought/perl';
BEGIN { $ShimTest::PVE = 9 } # what the stand-ins for PVE play
use PVE::Storage::Custom::DrbdLvmPlugin;

my %task = (gate => 'source', volume => 'vm-100-disk-0', upid => undef, mode => 'live');
my %way = (vmid => 100, source => 'proxmox-105', target => 'proxmox-106');
PVE::Storage::Custom::DrbdLvmPlugin::obey('migration', 'drbdvg', { vgname => 'drbdvg' }, %task, %way);
print "may go\n";
