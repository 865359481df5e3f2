#!/usr/bin/perl -T

# What the stand-ins take for granted of PVE, asked of PVE. All the other tests here run against the
# real classes too when PVE_SRC is set; see t/lib/ShimTest.pm.

use strict;
use warnings;

use lib __FILE__ =~ m{^(.*)/} ? "$1/lib" : 'lib';

use Test::More;

use FakeGate;
use RealMigration;
use ShimTest;

plan skip_all => 'PVE_SRC is not set: the tests ran against stand-ins, not against real PVE classes'
    if !ShimTest::is_real();

my $scfg = entry();
my ($trees) = $ENV{PVE_SRC} =~ /^(.*)$/;
for my $repository (qw(pve-storage pve-common pve-cluster pve-guest-common qemu-server pve-container)) {
    my ($version) = ShimTest::slurp("$trees/$repository/debian/changelog") =~ /^(.*?);/;
    diag($version);
}
diag('storage API ' . PVE::Storage::APIVER());

subtest 'every method of the shim that PVE calls' => sub {
    my @overridden = ShimTest::slurp($SHIM) =~ /SUPER::(\w+)/g;
    cmp_ok(scalar(@overridden), '>=', 8, 'is known here');
    ok(PVE::Storage::LVMPlugin->can($_), "$_ is there to be overridden") for @overridden, 'properties';
    is(
        !!PVE::Storage::LVMPlugin->can('get_identity'), PVE::Storage::APIVER() >= 14,
        'get_identity comes with APIVER 14',
    );
};

subtest "a worker's name" => sub {
    for my $user ('root@pam', 'admin@pve!automation') {
        for my $type (qw(qmigrate vzmigrate)) {
            my $upid = PVE::Tools::upid_encode({
                node => 'pve-a', pid => 4_194_303, pstart => 68_719_476_735, starttime => 1_763_800_000,
                type => $type, id => 100, user => $user,
            });
            local $0 = "task $upid";
            my @task = PVE::Storage::Custom::DrbdLvmPlugin::current_task();
            is_deeply(\@task, [$type, 100, $upid], "$upid is understood");
        }
    }
    my $rest = ShimTest::slurp("$trees/pve-common/src/PVE/RESTEnvironment.pm");
    like($rest, qr/\$0 = "task \$upid"/, 'is what fork_worker sets');
};

subtest 'migration objects' => sub {
    for my $file ('qemu-server/src/PVE/QemuMigrate.pm', 'pve-container/src/PVE/LXC/Migrate.pm') {
        my ($prepare) = ShimTest::slurp("$trees/$file") =~ /^(sub prepare \{.*?^\})/ms;
        like($prepare, qr/my \(\$self, \$vmid\) = \@_;/, "$file: prepare() keeps its object");
        like($prepare, qr/->check_connection\(\$\w+, \$scfg\)/, 'and checks shared storages');
        unlike($prepare, qr/eval \{[^}]*check_connection/, 'without eval');
    }
};

# The whole of AbstractMigrate::migrate(), which turns what prepare() dies of into the task's log.
subtest 'a refused migration' => sub {
    my $gate = FakeGate->new({ answer => 'no', line => 'r0 on pveB is StandAlone' });
    my $storecfg = { ids => { drbdvg => $scfg } };
    RealMigration::arrange(bless({}, 'PVE::QemuMigrate'), $storecfg, ['drbdvg:vm-100-disk-0']);
    no warnings qw(redefine once);
    local *PVE::SSHInfo::get_ssh_info = sub { return { ip => '192.0.2.2', name => 'pveB' } };
    local *PVE::SSHInfo::ssh_info_to_command = sub { return ['/usr/bin/env'] };
    local *PVE::QemuMigrate::lock_vm = sub { return $_[2]->() };
    my $said = said_by(sub {
        my $opts = { online => 1 };
        in_task('qmigrate', 100, sub { PVE::QemuMigrate->migrate('pveB', undef, 100, $opts) });
    });
    is($said->{died}, "migration aborted\n", 'aborts');
    my $logged = qr/ERROR: migration aborted \(duration [\d:]+\): pve-drbd: r0 on pveB is StandAlone\n/;
    like($said->{out}, $logged, 'and its log says why');
    my ($question) = $gate->asked();
    is_deeply([@{$question}{qw(gate mode target)}], ['source', 'live', 'pveB'], 'after one question');
};

done_testing();
