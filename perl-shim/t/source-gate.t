#!/usr/bin/perl -T

# The source gate: a migration asks before PVE has touched the guest, and ends there without a yes.

use strict;
use warnings;

use lib __FILE__ =~ m{^(.*)/} ? "$1/lib" : 'lib';

use Test::More;

use Sub::Util ();

use FakeGate;
use ShimTest;

my $scfg = entry();
my $qemu = 'PVE::QemuMigrate';
my $lxc = 'PVE::LXC::Migrate';
my $no = { answer => 'no', line => 'r0 on pveB is StandAlone', codes => ['DRBD-E102'] };

subtest 'a live migration that may go' => sub {
    my $gate = FakeGate->new({ answer => 'yes', line => 'all is well' });
    my $said = migrate($qemu, $scfg, opts => { online => 1 });
    is($said->{died}, '', 'goes on');
    unlike($said->{err}, qr/not online|pve-drbd/, 'without a word of ours');
    unlike($said->{out}, qr/pve-drbd/, 'nor one on STDOUT');
    my ($question) = $gate->asked();
    is_deeply(
        $question,
        {
            v => 1, ask => 'migration', gate => 'source', vmid => 100, storage => 'drbdvg',
            vg => 'drbdvg', source => 'pveA', target => 'pveB', mode => 'live', volume => undef,
            upid => 'UPID:pveA:0000319A:00069250:6B02BF51:qmigrate:100:root@pam:',
        },
        'the service has heard all there is to know',
    );
};

subtest 'a migration that may not go' => sub {
    my $gate = FakeGate->new($no);
    my $said = migrate($qemu, $scfg, opts => { online => 1 });
    is($said->{died}, "pve-drbd: r0 on pveB is StandAlone\n", 'dies with the line of the service');
};

for my $case (
    ['offline', $qemu, {}, 'qmigrate'],
    ['offline', $lxc, {}, 'vzmigrate'],
    ['restart', $lxc, { restart => 1 }, 'vzmigrate'],
) {
    my ($mode, $class, $opts, $type) = @{$case};
    subtest "$mode migration of $class" => sub {
        my $gate = FakeGate->new($no);
        my $said = migrate($class, $scfg, opts => $opts);
        like($said->{died}, qr/^pve-drbd: r0 on pveB is StandAlone\n/, 'is gated too');
        my ($question) = $gate->asked();
        is_deeply([@{$question}{qw(mode target vmid)}], [$mode, 'pveB', 100], 'as what it is');
        like($question->{upid}, qr/:$type:100:/, 'with its task');
    };
}

subtest 'a guest with three volumes' => sub {
    my $gate = FakeGate->new({ answer => 'yes' });
    my $said = migrate($qemu, $scfg, volids => [map { "drbdvg:vm-100-disk-$_" } 0 .. 2]);
    is($said->{died}, '', 'may go');
    is(scalar($gate->asked()), 1, 'and is asked for once');

    in_task('qmigrate', 100, sub { $GATE->check_connection('drbdvg', $scfg) });
    is(scalar($gate->asked()), 1, 'for as long as the worker lives');
    in_task('qmigrate', 100, sub { $GATE->check_connection('drbdvg1', $scfg) });
    is(scalar($gate->asked()), 2, 'but again for another storage');
    in_task('qmigrate', 101, sub { $GATE->check_connection('drbdvg', $scfg) });
    is(scalar($gate->asked()), 3, 'for another guest');
    $WORKER++;
    in_task('qmigrate', 100, sub { $GATE->check_connection('drbdvg', $scfg) });
    is(scalar($gate->asked()), 4, 'and in another worker');
};

subtest 'a no' => sub {
    my $gate = FakeGate->new(sub {
        my ($connection, undef, $number) = @_;
        print {$connection} $number < 2 ? qq({"v":1,"answer":"no"}\n) : qq({"v":1,"answer":"yes"}\n);
    });
    my $ask = sub { in_task('qmigrate', 104, sub { $GATE->check_connection('drbdvg', $scfg) }) };
    is(said_by($ask)->{died}, "pve-drbd: the service gives no reason\n", 'without a reason is a no');
    is(said_by($ask)->{died}, "pve-drbd: the service gives no reason\n", 'is no yes the next time');
    is(said_by($ask)->{died}, '', 'is not remembered either');
};

subtest 'an answer that is neither' => sub {
    my $gate = FakeGate->new({ answer => 'unknown', line => 'pveB did not answer' });
    my $said = in_task('qmigrate', 105, sub {
        return said_by(sub { $GATE->check_connection('drbdvg', $scfg) });
    });
    is($said->{died}, "pve-drbd: pveB did not answer\n", 'is no permission');
};

subtest 'a yes with findings' => sub {
    my $gate = FakeGate->new({ answer => 'yes', line => 'r0 resyncs', codes => ['DRBD-W201'] });
    my $said = in_task('qmigrate', 106, sub {
        return said_by(sub { $GATE->check_connection('drbdvg', $scfg) });
    });
    is($said->{died}, '', 'is a yes');
    is($said->{err}, "pve-drbd: r0 resyncs\n", 'and the task log gets the line');

    for my $none (undef, 0, \0, []) {
        $gate = FakeGate->new({ answer => 'yes', line => 'all is well', codes => $none });
        $WORKER++;
        $said = in_task('qmigrate', 106, sub {
            return said_by(sub { $GATE->check_connection('drbdvg', $scfg) });
        });
        is($said->{died} . $said->{err}, '', 'a plain yes stays silent');
    }
};

subtest 'a line that would break the log' => sub {
    my $line = "first\nsecond\e[31m third\x{2192}fourth";
    my $gate = FakeGate->new({ answer => 'no', line => $line });
    my $said = in_task('qmigrate', 107, sub {
        return said_by(sub { $GATE->check_connection('drbdvg', $scfg) });
    });
    is($said->{died}, "pve-drbd: first second [31m third fourth\n", 'is one line of plain text');
};

subtest 'a migration to another cluster' => sub {
    my $gate = FakeGate->new($no);
    my $migration = bless { node => 'far', opts => { remote => {}, online => 1 } }, $qemu;
    # The volumes are activated from phase1(), after prepare().
    my $phase1 = Sub::Util::set_subname("${qemu}::phase1", sub {
        my ($self) = @_;
        $GATE->check_connection('drbdvg', $scfg);
        return $self;
    });
    my $said = said_by(sub { in_task('qmigrate', 108, sub { $phase1->($migration) }) });
    is($said->{died}, '', 'copies the volumes and goes on');
    is_deeply([$gate->asked()], [], 'unasked');
};

subtest 'a worker without a migration object in sight' => sub {
    my $gate = FakeGate->new($no);
    my $said = in_task('qmigrate', 109, sub {
        return said_by(sub { $GATE->check_connection('drbdvg', $scfg) });
    });
    is($said->{died}, "pve-drbd: r0 on pveB is StandAlone\n", 'is gated all the same');
    my ($question) = $gate->asked();
    is_deeply([@{$question}{qw(mode target)}], [undef, undef], 'for any target and mode');
};

subtest 'whoever else checks the connection' => sub {
    my $gate = FakeGate->new($no);
    for my $name ('pvestatd', 'pvedaemon worker', 'qm migrate 100 pveB', 'task UPID:broken:qmigrate:1:') {
        local $0 = $name;
        ok($GATE->check_connection('drbdvg', $scfg), "$name gets PVE's own answer");
    }
    for my $type (qw(qmstart qmmove vzdump imgdel qmigrateall hamigrate)) {
        my $said = said_by(sub { in_task($type, 100, sub { $GATE->check_connection('drbdvg', $scfg) }) });
        is_deeply([@{$said}{qw(died result)}], ['', [1]], "so does a $type task");
    }
    is_deeply([$gate->asked()], [], 'the service hears nothing of it');
};

done_testing();
