#!/usr/bin/perl -T

# New volumes and larger ones: what is made on one side of a split is lost with the discard.

use strict;
use warnings;

use lib __FILE__ =~ m{^(.*)/} ? "$1/lib" : 'lib';

use Test::More;

use File::Temp qw(tempdir);

use FakeGate;
use ShimTest;

my $cfg = { ids => { drbdvg => entry() } };

sub alloc {
    @COMMANDS = ();
    return said_by(sub { PVE::Storage::vdisk_alloc($cfg, 'drbdvg', 100, 'raw', 'vm-100-disk-7', 65536) });
}

# APIVER 15 has a seventh parameter; PVE 8 ignores it.
sub resize {
    @COMMANDS = ();
    return said_by(sub {
        PVE::Storage::volume_resize($cfg, 'drbdvg:vm-100-disk-7', 134217728, 0, undef);
    });
}

my %does = (
    alloc => { act => \&alloc, cmd => qr/^lvcreate .*--size 65536k .*vm-100-disk-7/, size_kib => 65536 },
    resize => { act => \&resize, cmd => qr/^lvextend .*vm-100-disk-7/, size_kib => 131072 },
);

my $dir = tempdir(CLEANUP => 1);
no warnings qw(once);
$PVE::Storage::Custom::DrbdLvmPlugin::RUN_OPEN = "$dir/run-open";

for my $action (sort keys %does) {
    my ($act, $cmd, $size_kib) = @{ $does{$action} }{qw(act cmd size_kib)};

    subtest "$action with a yes" => sub {
        my $gate = FakeGate->new({ answer => 'yes' });
        my $said = $act->();
        is($said->{died} . $said->{err}, '', 'goes on');
        ok((grep { $_ =~ $cmd } @COMMANDS), 'with the size it was asked for') or diag(explain(\@COMMANDS));
        my ($question) = $gate->asked_for('new-data');
        is_deeply(
            $question,
            {
                v => 1, ask => 'new-data', action => $action, storage => 'drbdvg', vg => 'drbdvg',
                vmid => 100, volume => 'vm-100-disk-7', size_kib => $size_kib,
            },
            'the service has heard all there is to know',
        );
    };

    subtest "$action with a no" => sub {
        my $gate = FakeGate->new({ answer => 'no', line => 'r0 is split', codes => ['DRBD-E105'] });
        is($act->()->{died}, "pve-drbd: r0 is split\n", 'dies');
        ok(!(grep { $_ =~ $cmd } @COMMANDS), 'and nothing was made');
    };

    subtest "$action that nobody can judge" => sub {
        my $gate = FakeGate->new({ answer => 'unknown', line => 'pveB did not answer' });
        my $said = $act->();
        is($said->{died}, '', 'goes on');
        is($said->{err}, "pve-drbd: pveB did not answer\n", 'with a warning');

        undef($gate);
        $said = $act->();
        is($said->{died}, '', 'goes on without a service');
        like($said->{err}, qr/^pve-drbd: the $action of guest 100 was not checked: /, 'with a warning');
    };

    subtest "$action while a run is open" => sub {
        open(my $mark, '>', "$dir/run-open") or die "$!\n";
        close($mark);
        my $gate = FakeGate->new({ answer => 'unknown', line => 'pveB did not answer' });
        is($act->()->{died}, "pve-drbd: pveB did not answer\n", 'needs a yes');
        undef($gate);
        like($act->()->{died}, qr/^pve-drbd: the $action of guest 100 was not checked: /, 'from someone');
        ok(!(grep { $_ =~ $cmd } @COMMANDS), 'and nothing was made');

        $gate = FakeGate->new({ answer => 'yes' });
        is($act->()->{died}, '', 'and has it on the survivor, for a restore of the plan');
        unlink("$dir/run-open");
    };
}

done_testing();
