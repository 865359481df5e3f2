#!/usr/bin/perl -T

# The guest hookscript, for guests on entries that stay `type: lvm`.

use strict;
use warnings;

use lib __FILE__ =~ m{^(.*)/} ? "$1/lib" : 'lib';

use Test::More;

use FakeGate;
use ShimTest;

my $hook = $SHIM =~ s{/PVE/.*}{/hookscript/pve-drbd-hookscript}r;
my $absent = '/nonexistent/gate.sock';

# Runs the script as PVE does, but for where it finds PVE and the socket.
sub hook {
    my ($socket, @args) = @_;
    my $seam = <<'END';
require PVE::Storage::Custom::DrbdLvmPlugin;
no warnings qw(redefine once);
*PVE::INotify::nodename = sub { return 'pveB' };
($PVE::Storage::Custom::DrbdLvmPlugin::SOCKET) = shift(@ARGV) =~ /^(.*)$/;
my ($hook) = shift(@ARGV) =~ /^(.*)$/;
do $hook;
die "$hook ended without exit: $@$!";
END
    return run_perl('/dev/null', '-MShimTest', '-e', $seam, $socket, $hook, @args);
}

sub says {
    my ($run) = @_;
    return [$run->{exit} >> 8, $run->{out}, $run->{err}];
}

$ENV{PVE_MIGRATED_FROM} = 'pveA';

subtest 'the target of a live migration' => sub {
    my $gate = FakeGate->new({ answer => 'yes' });
    is_deeply(says(hook($gate->path(), 100, 'pre-start')), [0, '', ''], 'starts with a yes');
    my ($question) = $gate->asked();
    is_deeply(
        $question,
        {
            v => 1, ask => 'migration', gate => 'hook', vmid => 100, storage => undef, vg => undef,
            source => 'pveA', target => 'pveB', mode => 'live', volume => undef, upid => undef,
        },
        'the service has heard all there is to know',
    );

    for my $answer (qw(no unknown)) {
        $gate = FakeGate->new({ answer => $answer, line => 'r0 is split' });
        my $run = hook($gate->path(), 100, 'pre-start');
        is_deeply(says($run), [1, '', "pve-drbd: r0 is split\n"], "does not after $answer");
    }

    $gate = FakeGate->new("garbage\n");
    my $run = hook($gate->path(), 100, 'pre-start');
    is($run->{exit} >> 8, 1, 'nor after garbage');
    like($run->{err}, qr/^pve-drbd: the migration of guest 100 was not checked: [^\n]*\n\z/, 'says why');

    $run = hook($absent, 100, 'pre-start');
    is($run->{exit} >> 8, 1, 'nor without a service');
    like($run->{err}, qr/^pve-drbd: the migration of guest 100 was not checked: [^\n]*\n\z/, 'says why');
};

subtest 'anything else' => sub {
    for my $phase (qw(post-start pre-stop post-stop), 'something new', '') {
        is_deeply(says(hook($absent, 100, $phase)), [0, '', ''], "'$phase' is none of its business");
    }
    is_deeply(says(hook($absent, 100)), [0, '', ''], 'nor is no phase');
    for my $from (undef, '') {
        local $ENV{PVE_MIGRATED_FROM} = $from;
        delete local $ENV{PVE_MIGRATED_FROM} if !defined($from);
        is_deeply(says(hook($absent, 100, 'pre-start')), [0, '', ''], 'nor is a plain start');
    }
};

subtest 'a node whose plugin does not load' => sub {
    my $run = run_perl('/dev/null', $hook, 100, 'pre-start');
    is($run->{exit} >> 8, 1, 'is no target');
    my $line = qr/^pve-drbd: the migration of guest 100 was not checked: Can't locate PVE[^\n]*\n\z/;
    like($run->{err}, $line, 'and says why in one line');
};

ok(-x $hook, 'PVE can run it');
done_testing();
