package PVE::Storage::Custom::DrbdLvmPlugin;

# SPDX-License-Identifier: AGPL-3.0-or-later
# Storage type `drbdlvm`: PVE's LVM storage, on a volume group that DRBD mirrors to another node.
# It knows nothing of DRBD: where PVE is about to hand a guest, or new data, to one side of the
# mirror, it asks this node's pve-drbd service one question and obeys the answer.
#
# It must load, whatever happens. A node that does not know the type deletes every drbdlvm entry of
# the cluster with its next write of storage.cfg, and a mistake in what builds PVE's schema takes
# PVE::Storage down. Hence no property of its own, core modules only, and neither I/O nor die()
# under "Configuration".

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use JSON;
use Socket qw(MSG_NOSIGNAL);
use Time::HiRes qw(CLOCK_MONOTONIC clock_gettime);

use PVE::INotify;
use PVE::Tools qw(run_command);
use base qw(PVE::Storage::LVMPlugin);

# Only the tests assign to these; nothing from outside the process reaches them, so no taint.
our $SOCKET = '/run/pve-drbd/gate.sock';
our $RUN_OPEN = '/run/pve-drbd/run-open';

# On the target of a migration `status` is asked first, and both have to end within 10 s. PVE asks
# for space and for a new entry under a lock that it loses after 60 s. pvestatd waits for `status`.
our %SECONDS = (migration => 8, entry => 8, 'new-data' => 2, start => 2, status => 1);

# Configuration: called in every PVE process, also in pveproxy, which is not root

sub api { return PVE::Storage::APIVER(); } # what changes is inherited from this node's LVMPlugin
sub type { return 'drbdlvm'; } # lower case: PVE folds the type in a section header
sub properties { return {}; } # LVMPlugin has defined them; PVE dies of a name that comes twice

sub plugindata {
    my ($class) = @_;
    my %data = %{ $class->SUPER::plugindata() };
    delete @data{qw(isolate-properties expose-properties)}; # there are none to isolate
    return \%data;
}

sub options {
    my ($class) = @_;
    my %options = %{ $class->SUPER::options() };
    my $known = $class->private()->{propertyList};
    # PVE dies of an unknown name, and `base` would run vgcreate on an iSCSI LUN.
    delete @options{ 'base', grep { !$known->{$_} } keys %options };
    return \%options;
}

# Parsing, creating, updating and hand edits all come through here. Were the storage not shared, PVE
# would lock it on one node only and would not migrate its volumes.
sub check_config {
    my ($class, @args) = @_;
    return { %{ $class->SUPER::check_config(@args) }, shared => 1 };
}

my %permitted; # {UPID}{storage}: PVE checks once per volume, the service is asked once

# Source gate: QemuMigrate and LXC::Migrate check shared storages before they touch the guest. Only
# die() stops them; after a false value they warn and go on.
sub check_connection {
    my ($class, $storeid, $scfg, @more) = @_;
    my ($type, $vmid, $upid) = current_task();
    if ($type =~ /^(?:q|vz)migrate\z/ && !$permitted{$upid}->{$storeid}) {
        my %way = (source => PVE::INotify::nodename(), calling_migration());
        my %task = (gate => 'source', vmid => $vmid, volume => undef, upid => $upid);
        # To another cluster PVE copies the volumes, which needs nothing of the mirror.
        obey('migration', $storeid, $scfg, %task, %way) if !delete($way{remote});
        $permitted{$upid}->{$storeid} = 1;
    }
    return $class->SUPER::check_connection($storeid, $scfg, @more);
}

# Target gate: `qm start` finds the source's name in PVE_MIGRATED_FROM. In the children of a plain
# start the variable is there, but empty. Containers are started by LXC's hook, not by a task.
sub activate_volume {
    my ($class, @args) = @_;
    my ($storeid, $scfg, $volname, undef, $cache) = @args;
    my ($name, $owner) = ($class->parse_volname($volname))[1, 2];
    my ($type, $vmid, $upid) = current_task();
    my %guest = (vmid => $vmid // int($owner), volume => $volname);
    if (length($ENV{PVE_MIGRATED_FROM} // '')) {
        my %way = (source => $ENV{PVE_MIGRATED_FROM}, target => PVE::INotify::nodename());
        my %task = (gate => 'target', mode => 'live', upid => $upid);
        obey('migration', $storeid, $scfg, %task, %guest, %way);
    } elsif ($type eq 'qmstart' || $0 =~ m{/lxc-pve-prestart-hook\z}) {
        obey('start', $storeid, $scfg, %guest);
    }
    # While DRBD holds I/O back, an LVM command hangs and cannot be killed.
    my $told = ask_for_status($storeid, $scfg, $cache);
    die "pve-drbd: $volname was not activated: $told->{line}\n" if !$told->{read_lvm};
    refuse_unfinished($scfg->{vgname}, $name);
    return $class->SUPER::activate_volume(@args);
}

# A LV that holds half a copy is not started from, whoever is there to be asked or not. A qcow2
# volume is activated together with its chain of snapshots.
sub refuse_unfinished {
    my ($vg, $name) = @_;
    my $chain = $name =~ /^(.+)\.qcow2\z/ ? qr/^(?:\Q$name\E|snap_\Q$1\E_.+)\z/ : qr/^\Q$name\E\z/;
    my @tagged = ($vg, '--select', 'lv_tags=pve-drbd-incomplete');
    my ($lv) = grep { $_ =~ $chain } lvm_report("LV tags of VG '$vg'", 'lvs', 'lv_name', @tagged);
    die "pve-drbd: $name was not activated: the copy into $vg/$lv has not finished (LV tag"
        . " pve-drbd-incomplete). Let the run that makes it finish\n" if $lv;
    return;
}

# One value per line. --readonly takes no lock, and does not talk to device-mapper.
sub lvm_report {
    my ($what, $command, $column, @select) = @_;
    my @values;
    run_command(
        ["/sbin/$command", qw(--readonly --noheadings --options), $column, @select],
        errmsg => "pve-drbd: can't read the $what",
        outfunc => sub { push @values, $_[0] =~ /(\S+)/ },
    );
    return @values;
}

sub alloc_image {
    my ($class, @args) = @_;
    my ($storeid, $scfg, $vmid, undef, $name, $size_kib) = @args;
    my %volume = (vmid => int($vmid), volume => $name, size_kib => int($size_kib));
    obey('new-data', $storeid, $scfg, action => 'alloc', %volume);
    return $class->SUPER::alloc_image(@args);
}

sub volume_resize {
    my ($class, @args) = @_;
    my ($scfg, $storeid, $volname, $size_bytes) = @args;
    my $vmid = ($class->parse_volname($volname))[2];
    my %volume = (vmid => int($vmid), volume => $volname, size_kib => int($size_bytes / 1024));
    obey('new-data', $storeid, $scfg, action => 'resize', %volume);
    return $class->SUPER::volume_resize(@args);
}

sub on_add_hook {
    my ($class, @args) = @_;
    my $result = $class->SUPER::on_add_hook(@args);
    obey('entry', @args[0, 1]);
    return $result;
}

# What the web UI shows: PVE activates a storage, then asks for its status. LVMPlugin runs `vgs` in
# both, which hangs while DRBD holds I/O back.
sub activate_storage {
    my ($class, @args) = @_;
    return if !ask_for_status(@args)->{read_lvm};
    return $class->SUPER::activate_storage(@args);
}

sub status {
    my ($class, @args) = @_;
    my $told = ask_for_status(@args);
    return (0, 0, 0, 0) if !$told->{read_lvm};
    my ($total, $free, $used, $active) = $class->SUPER::status(@args);
    return ($total, $free, $used, $told->{active} ? $active : 0);
}

# PVE asks from APIVER 14 on. Two nodes that give the same UUID see the same volume group.
sub get_identity {
    my ($class, $scfg) = @_;
    return (lvm_report("UUID of VG '$scfg->{vgname}'", 'vgs', 'vg_uuid', $scfg->{vgname}))[0];
}

# Asks, and dies with one line unless the answer permits: "yes" does, "no" never. With no clear
# answer a start goes on, and so does new data while no run is open: a run must know all there is.
sub obey {
    my ($ask, @question) = @_;
    my $reply = ask($ask, @question);
    my ($answer, $line) = ($reply->{answer}, "pve-drbd: $reply->{line}\n");
    my $silence_permits = $ask eq 'start' || $ask eq 'new-data' && !-e $RUN_OPEN;
    die $line if $answer eq 'no' || $answer ne 'yes' && !$silence_permits;
    # STDERR: the source of a migration parses the STDOUT of the target's `qm start`.
    warn $line if $answer ne 'yes' || @{ $reply->{codes} };
    return;
}

# One question for all that PVE does to a storage with the same $cache.
sub ask_for_status {
    my ($storeid, $scfg, $cache) = @_;
    return ($cache // {})->{'pve-drbd'}->{$storeid} //= ask('status', $storeid, $scfg);
}

# The service's reply. No eval around the waiting: signals and alarms of PVE's own come through it.
sub ask {
    my ($ask, $storeid, $scfg, %more) = @_;
    my %question = (v => 1, ask => $ask, storage => $storeid, vg => $scfg->{vgname}, %more);
    my $deadline = clock_gettime(CLOCK_MONOTONIC) + $SECONDS{$ask};
    my $socket = IO::Socket::UNIX->new(Peer => $SOCKET, Timeout => $SECONDS{$ask})
        or return no_reply(\%question, "does not answer (connect $SOCKET: $!)");
    # MSG_NOSIGNAL: PVE's workers leave SIGPIPE at its default, which ends them without a word.
    send($socket, JSON->new->utf8->encode(\%question) . "\n", MSG_NOSIGNAL);
    my ($text, $select) = ('', IO::Select->new($socket));
    while ($text !~ /\n/ && length($text) < 65536) {
        my $left = $deadline - clock_gettime(CLOCK_MONOTONIC);
        return no_reply(\%question, "does not answer (waited $SECONDS{$ask} s)") if $left <= 0;
        next if !$select->can_read($left);
        last if !sysread($socket, $text, 65536 - length($text), length($text));
    }
    my $reply = $text =~ /\A.+\n\z/ ? eval { JSON->new->utf8->decode($text) } : undef;
    $reply = {} if ref($reply) ne 'HASH';
    my ($version, $answer, $line, $codes) = map { $_ // '' } @{$reply}{qw(v answer line codes)};
    return no_reply(\%question, 'does not answer with one whole line of protocol 1')
        if $version ne '1' || $answer !~ /^(?:yes|no|unknown)\z/ || ref($codes || []) ne 'ARRAY';
    $line = 'the service gives no reason' if ref($line) || $line !~ /\S/;
    $line =~ tr/\x20-\x7e/ /cs; # one line, whatever the log
    return { active => 1, read_lvm => 1, %{$reply}, line => $line, codes => $codes || [] };
}

sub no_reply {
    my ($question, $why) = @_;
    my $of = $question->{vmid} ? "guest $question->{vmid}" : "storage $question->{storage}";
    my $line = 'the ' . ($question->{action} // $question->{ask}) . " of $of was not checked: the"
        . ' service on ' . PVE::INotify::nodename() . " $why. See: systemctl status pve-drbd";
    return { answer => 'none', line => $line, active => 1, read_lvm => 1 };
}

# Type, guest and UPID of the task whose worker this process is.
sub current_task {
    my ($upid, $type, $vmid) = $0 =~ /^task (UPID:(?:[^:]+:){4}([^:]+):(\d+):.*)/;
    return $upid ? ($type, int($vmid), $upid) : ('');
}

# PVE tells plugins nothing of a migration, but its own object is an argument of one of our callers.
sub calling_migration {
    my $depth = 0;
    while (my $sub = (do { package DB; caller($depth++) })[3]) { # also fills @DB::args
        next if $sub !~ /^(PVE::QemuMigrate|PVE::LXC::Migrate)::/ || ref($DB::args[0]) ne $1;
        my ($target, $opts) = @{ $DB::args[0] }{qw(node opts)};
        my $mode = $opts->{online} ? 'live' : $opts->{restart} ? 'restart' : 'offline';
        return (target => $target, mode => $mode, remote => $opts->{remote});
    }
    return (target => undef, mode => undef);
}

1;
