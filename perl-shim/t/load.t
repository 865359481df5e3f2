#!/usr/bin/perl -T

# A node that has the shim knows the type, keeps every entry, and is silent about it.

use strict;
use warnings;

use lib __FILE__ =~ m{^(.*)/} ? "$1/lib" : 'lib';

use Test::More;

use LoadCheck qw(load losses);
use ShimTest;

my $source = ShimTest::slurp($SHIM);

for my $pve (ShimTest::is_real() ? 'real' : (8, 9)) {
    subtest "PVE $pve" => sub {
        my $run = load($source, $pve);
        is_deeply([losses($run)], [], 'loads, registers, and keeps what storage.cfg says');
        note("storage API $run->{node}->{apiver}");

        my %options = map { $_ => 1 } @{ $run->{node}->{options} };
        my @missing = grep { $_ ne 'base' && !$options{$_} } @{ $run->{node}->{parent_options} };
        is_deeply(\@missing, [], 'has every option that LVM has on this PVE');
        ok(!$options{base}, 'but `base`');
    };
}

subtest 'the class' => sub {
    my $said = said_by(\&entry);
    is($said->{died}, '', 'loads in this process');
    is($said->{out}, '', 'says nothing on STDOUT');
    is_deeply($GATE->properties(), {}, 'defines no property');
    is($GATE->api(), PVE::Storage::APIVER(), 'speaks the API version of this node');
    isa_ok($GATE, 'PVE::Storage::LVMPlugin');
    ok(!$GATE->plugindata()->{'isolate-properties'}, 'isolates no properties');
    isnt($GATE->plugindata(), $GATE->plugindata(), 'hands out a copy of its plugin data');
};

subtest 'options' => sub {
    entry();
    no warnings qw(redefine once);
    my %parent = %{ PVE::Storage::LVMPlugin->options() };
    local *PVE::Storage::LVMPlugin::options = sub { return { %parent, 'of-tomorrow' => {} } };
    ok(!$GATE->options()->{'of-tomorrow'}, 'leave out a name this PVE does not know');
    ok($GATE->options()->{vgname}->{fixed}, 'keep the rest as it is');
};

subtest 'an inherited wish for isolated properties' => sub {
    entry();
    no warnings qw(redefine once);
    my %parent = %{ PVE::Storage::LVMPlugin->plugindata() };
    local *PVE::Storage::LVMPlugin::plugindata =
        sub { return { %parent, 'isolate-properties' => 1, 'expose-properties' => 1 } };
    is_deeply($GATE->plugindata(), \%parent, 'is stripped');
};

subtest 'check_config' => sub {
    entry();
    for my $given ({}, { shared => 0 }, { shared => 1 }) {
        my $settings = $GATE->check_config('d0', { vgname => 'drbdvg', %{$given} }, 1, 1);
        is($settings->{shared}, 1, 'forces `shared` on create');
        is($settings->{vgname}, 'drbdvg', 'and keeps the VG');
        is($GATE->check_config('d0', $given, 0, 1)->{shared}, 1, 'forces it on update');
    }
    like(said_by(sub { $GATE->check_config('d0', {}, 1, 1) })->{died}, qr/vgname/, 'still checks');
};

subtest 'what parsing calls' => sub {
    entry();
    no warnings qw(once);
    local $PVE::Storage::Custom::DrbdLvmPlugin::SOCKET = '/nonexistent/gate.sock';
    my $said = said_by(sub {
        $GATE->$_() for qw(type api plugindata properties options);
        $GATE->check_config('d0', { vgname => 'drbdvg' }, 1, 1);
        $GATE->parse_volname('vm-100-disk-0');
        $GATE->path({ vgname => 'drbdvg' }, 'vm-100-disk-0', 'd0');
    });
    is($said->{died} . $said->{err} . $said->{out}, '', 'neither dies nor speaks');
    is_deeply(\@COMMANDS, [], 'runs nothing');
};

subtest 'the file' => sub {
    my $lines = () = $source =~ /\n/g;
    cmp_ok($lines, '<', 250, 'has fewer than 250 lines');
    my @core = qw(strict warnings base IO::Select IO::Socket::UNIX JSON Socket Time::HiRes);
    my %is_there = map { $_ => 1 } @core, qw(PVE::INotify PVE::Tools);
    is_deeply([grep { !$is_there{$_} } $source =~ /^use ([\w:]+)/mg], [], 'uses what is there anyway');
};

done_testing();
