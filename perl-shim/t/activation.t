#!/usr/bin/perl -T

# The target gate, the policy for plain starts, and volumes that hold half a copy: all in
# activate_volume(), called the way PVE calls it.

use strict;
use warnings;

use lib __FILE__ =~ m{^(.*)/} ? "$1/lib" : 'lib';

use Test::More;

use JSON;

use FakeGate;
use ShimTest;

my $cfg = { ids => { drbdvg => entry() } };
my $lvs = 'lvs --readonly --noheadings --options lv_name drbdvg --select lv_tags=pve-drbd-incomplete';
my $vgs = qr/^vgs .*vg_name,vg_size,vg_free,lv_count$/;

# What the service says to each kind of question; a yes to all else.
sub gate {
    my (%says) = @_;
    return FakeGate->new(sub {
        my ($connection, $question) = @_;
        my $reply = $says{ $question->{ask} } // { answer => 'yes' };
        print {$connection} JSON->new->utf8->encode({ v => 1, %{$reply} }), "\n";
    });
}

sub activate {
    my ($type, $vmid, @volnames) = @_;
    @COMMANDS = ();
    return said_by(sub {
        my @volids = map { "drbdvg:$_" } @volnames;
        in_task($type, $vmid, sub { PVE::Storage::activate_volumes($cfg, \@volids) });
    });
}

sub is_activated {
    my ($volname) = @_;
    return grep { /^lvchange .*\Q$volname\E/ } @COMMANDS;
}

my $no = { answer => 'no', line => 'r0 is Secondary on pveA', codes => ['DRBD-E103'] };

subtest 'the target of a live migration' => sub {
    local $ENV{PVE_MIGRATED_FROM} = 'pveB';
    my $gate = gate();
    my $said = activate('qmstart', 100, 'vm-100-disk-0');
    is($said->{died} . $said->{err} . $said->{out}, '', 'starts with a yes, in silence');
    like($COMMANDS[0], $vgs, 'PVE activates the storage,');
    is_deeply(
        [@COMMANDS[1 .. 3]],
        [
            $lvs, 'lvchange -aey /dev/drbdvg/vm-100-disk-0',
            'lvchange --refresh /dev/drbdvg/vm-100-disk-0',
        ],
        'the shim reads the tags, then LVMPlugin does what it always does',
    );
    is_deeply(
        [$gate->asked_for('migration')],
        [{
            v => 1, ask => 'migration', gate => 'target', vmid => 100, storage => 'drbdvg',
            vg => 'drbdvg', source => 'pveB', target => 'pveA', mode => 'live',
            volume => 'vm-100-disk-0',
            upid => sprintf('UPID:pveA:%08X:00069250:6B02BF51:qmstart:100:root@pam:', $WORKER),
        }],
        'the service has heard all there is to know',
    );
    is_deeply([$gate->asked_for('start')], [], 'and of no start');
};

subtest 'the target without a yes' => sub {
    local $ENV{PVE_MIGRATED_FROM} = 'pveB';
    for my $reply ($no, { %{$no}, answer => 'unknown' }) {
        my $gate = gate(migration => $reply);
        my $said = activate('qmstart', 100, 'vm-100-disk-0', 'vm-100-disk-1');
        is($said->{died}, "pve-drbd: r0 is Secondary on pveA\n", "does not start after $reply->{answer}");
        is_deeply([is_activated('vm-100-disk')], [], 'and nothing is activated');
        is(scalar($gate->asked_for('migration')), 1, 'one refusal is enough');
    }
};

subtest 'a volume that another guest owns' => sub {
    local $ENV{PVE_MIGRATED_FROM} = 'pveB';
    my $gate = gate();
    activate('qmstart', 100, 'vm-101-disk-0');
    activate('other', 'x', 'vm-101-disk-0');
    is_deeply([map { $_->{vmid} } $gate->asked_for('migration')], [100, 101], 'the task names the guest');
};

subtest 'a plain start' => sub {
    my $gate = gate();
    for my $from (undef, '') {
        local $ENV{PVE_MIGRATED_FROM} = $from if defined($from);
        my $said = activate('qmstart', 100, 'vm-100-disk-0');
        is($said->{died} . $said->{err}, '', 'goes on with a yes');
        ok(is_activated('vm-100-disk-0'), 'and the volume is activated');
    }
    is_deeply([$gate->asked_for('migration')], [], 'it is no migration');
    my %question = (storage => 'drbdvg', vg => 'drbdvg', vmid => 100, volume => 'vm-100-disk-0');
    my @asked = $gate->asked_for('start');
    is_deeply($asked[0], { v => 1, ask => 'start', %question }, 'the policy for starts is asked');
};

subtest 'a start that would bring back old data' => sub {
    my $gate = gate(start => $no);
    my $said = activate('qmstart', 100, 'vm-100-disk-0');
    is($said->{died}, "pve-drbd: r0 is Secondary on pveA\n", 'is refused on proof');
    ok(!is_activated('vm-100-disk-0'), 'before the volume is there');

    local $0 = '/usr/share/lxc/hooks/lxc-pve-prestart-hook';
    $said = said_by(sub { PVE::Storage::activate_volumes($cfg, ['drbdvg:vm-101-disk-0']) });
    is($said->{died}, "pve-drbd: r0 is Secondary on pveA\n", 'for containers, which LXC starts, too');
};

subtest 'a start that nobody can judge' => sub {
    my $gate = gate(start => { answer => 'unknown', line => 'pveB did not answer' });
    my $said = activate('qmstart', 100, 'vm-100-disk-0');
    is($said->{died}, '', 'goes on');
    is($said->{err}, "pve-drbd: pveB did not answer\n", 'and says so');

    undef($gate);
    $said = activate('qmstart', 100, 'vm-100-disk-0');
    is($said->{died}, '', 'goes on without a service');
    like($said->{err}, qr/^pve-drbd: the start of guest 100 was not checked: the service on pveA does/,
        'and says so too');
    ok(is_activated('vm-100-disk-0'), 'as PVE always did');
};

subtest 'any other activation' => sub {
    my $gate = gate(start => $no, migration => $no);
    for my $type (qw(vzdump qmmove qmrestore imgcopy)) {
        is(activate($type, 100, 'vm-100-disk-0')->{died}, '', "$type is not gated");
    }
    is_deeply([map { $_->{ask} } $gate->asked()], [('status') x 4], 'nor asked about');
};

subtest 'a volume with half a copy' => sub {
    my $gate = gate();
    local $OUTPUT{lvs} = ['  vm-100-disk-0', '  vm-1-disk-2.qcow2', '  snap_vm-5-disk-0_before.qcow2'];
    my $refused = qr/^pve-drbd: \S+ was not activated: the copy into drbdvg\S+ has not finished /;
    for my $volname ('vm-100-disk-0', 'vm-1-disk-2.qcow2', 'vm-5-disk-0.qcow2') {
        for my $type (qw(qmstart vzdump)) {
            like(activate($type, 100, $volname)->{died}, $refused, "$volname is refused to $type");
        }
    }
    my @others = qw(vm-100-disk-1 vm-10-disk-0 vm-100-disk-01 vm-5-disk-01.qcow2 vm-1-disk-2 vm-5-disk-0);
    for my $volname (@others) {
        is(activate('qmstart', 100, $volname)->{died}, '', "$volname is another volume");
    }

    undef($gate);
    like(activate('qmstart', 100, 'vm-100-disk-0')->{died}, $refused, 'is refused without a service');
};

subtest 'tags that cannot be read' => sub {
    my $gate = gate();
    no warnings qw(redefine once);
    local *PVE::Storage::Custom::DrbdLvmPlugin::run_command = sub {
        my ($cmd, %param) = @_;
        die "$param{errmsg}: Volume group \"drbdvg\" not found\n";
    };
    my $said = activate('qmstart', 100, 'vm-100-disk-0');
    like($said->{died}, qr/^pve-drbd: can't read the LV tags of VG 'drbdvg': /, 'are no permission');
    ok(!is_activated('vm-100-disk-0'), 'and nothing is activated');
};

subtest 'while DRBD holds I/O back' => sub {
    my $gate = gate(
        status => { answer => 'no', line => 'I/O on r0 is suspended', active => \0, read_lvm => \0 },
    );
    my $said = activate('qmstart', 100, 'vm-100-disk-0');
    is($said->{died}, "pve-drbd: vm-100-disk-0 was not activated: I/O on r0 is suspended\n",
        'a start ends with the reason');
    is_deeply(\@COMMANDS, [], 'and no LVM command was run that nobody could end');
    is(scalar($gate->asked_for('status')), 1, 'one question for storage and volume');
};

subtest 'deactivation' => sub {
    local $ENV{PVE_MIGRATED_FROM} = 'pveB';
    is($GATE->can('deactivate_volume'), PVE::Storage::LVMPlugin->can('deactivate_volume'), 'is left alone');
    is($GATE->can('free_image'), PVE::Storage::LVMPlugin->can('free_image'), 'as is removal');
    is($GATE->can('list_images'), PVE::Storage::LVMPlugin->can('list_images'), 'and listing');
};

done_testing();
