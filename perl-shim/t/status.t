#!/usr/bin/perl -T

# What pvestatd and the web UI are told, a new entry, and the identity of the volume group.

use strict;
use warnings;

use lib __FILE__ =~ m{^(.*)/} ? "$1/lib" : 'lib';

use Test::More;

use Time::HiRes ();

use FakeGate;
use ShimTest;

my $scfg = entry();
my $cfg = { ids => { drbdvg => $scfg } };
my %seen = (active => 1, total => 10737418240, avail => 4294967296, used => 6442450944);
my %nothing = (active => 0, total => 0, avail => 0, used => 0);

# As pvestatd sees it.
sub info {
    @COMMANDS = ();
    my $said = said_by(sub { PVE::Storage::storage_info($cfg) });
    my $info = $said->{result}->[0]->{drbdvg};
    return ($said, { map { $_ => $info->{$_} } keys %seen });
}

for my $case (
    ['healthy', { active => \1, read_lvm => \1 }, \%seen, 1],
    ['degraded but usable', { active => \1 }, \%seen, 1],
    ['split', { active => \0, read_lvm => \1, line => 'r0 is split' }, \%nothing, 1],
    ['with I/O suspended', { active => \0, read_lvm => \0, line => 'no I/O' }, \%nothing, 0],
    ['with I/O suspended, told half', { read_lvm => \0 }, \%nothing, 0],
) {
    my ($what, $told, $expected, $reads_lvm) = @{$case};
    subtest "a storage $what" => sub {
        my $gate = FakeGate->new({ answer => 'yes', %{$told} });
        my ($said, $info) = info();
        is_deeply($info, $expected, 'shows as it should');
        is($said->{died} . $said->{err} . $said->{out}, '', 'with nothing in the journal');
        is(scalar(grep { /^vgs / } @COMMANDS), $reads_lvm, 'LVM is read only where it may be');
        my $question = { v => 1, ask => 'status', storage => 'drbdvg', vg => 'drbdvg' };
        is_deeply([$gate->asked()], [$question], 'with one question');
    };
}

subtest 'a split storage' => sub {
    my $gate = FakeGate->new({ answer => 'yes', active => \0, read_lvm => \1 });
    my @status = $GATE->status('drbdvg', $scfg, {});
    is_deeply(\@status, [@seen{qw(total avail used)}, 0], 'still tells its size');
};

subtest 'a storage of which the service says nothing' => sub {
    $PVE::Storage::Custom::DrbdLvmPlugin::SOCKET = '/nonexistent/gate.sock';
    my ($said, $info) = info();
    is_deeply($info, \%seen, "shows what LVM says, as PVE's own does");
    is($said->{died} . $said->{err}, '', 'in silence: pvestatd comes every 10 s');

    local $OUTPUT{vgs} = ['other:1:1:0'];
    ($said, $info) = info();
    is_deeply($info, \%nothing, 'and nothing without its VG');
};

subtest 'a storage whose service hangs' => sub {
    my $gate = FakeGate->new(sub { sleep(20) });
    my $start = Time::HiRes::time();
    my (undef, $info) = info();
    my $took = Time::HiRes::time() - $start;
    is_deeply($info, \%seen, 'shows what LVM says');
    cmp_ok($took, '<', 2, 'after one wait, not two');
};

subtest 'a new entry' => sub {
    my $add = sub { said_by(sub { $GATE->on_add_hook('drbdvg', $scfg) }) };
    my $gate = FakeGate->new({ answer => 'yes' });
    is($add->()->{died}, '', 'is made with a yes');
    my $question = { v => 1, ask => 'entry', storage => 'drbdvg', vg => 'drbdvg' };
    is_deeply([$gate->asked()], [$question], 'to the right question');

    undef($gate);
    like($add->()->{died}, qr/^pve-drbd: the entry of storage drbdvg was not checked: /, 'and only then');
    $gate = FakeGate->new({ answer => 'no', line => 'drbdvg is not on DRBD here' });
    is($add->()->{died}, "pve-drbd: drbdvg is not on DRBD here\n", 'with the reason');
};

subtest 'the identity' => sub {
    local $OUTPUT{vgs} = ['  5x5CML-RXuI-9NS3-A5Gs-xNud-wH0V-lakYb8'];
    @COMMANDS = ();
    my $uuid = $GATE->get_identity($scfg, 'drbdvg');
    is($uuid, '5x5CML-RXuI-9NS3-A5Gs-xNud-wH0V-lakYb8', 'is the UUID of the VG');
    is_deeply(\@COMMANDS, ['vgs --readonly --noheadings --options vg_uuid drbdvg'], 'as LVM tells it');
};

done_testing();
