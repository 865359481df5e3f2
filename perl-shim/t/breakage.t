#!/usr/bin/perl -T

# Every mistake known to cost a node its storages, or all of PVE::Storage, made in the real file.
# The check that the shim passes has to notice each.

use strict;
use warnings;

use lib __FILE__ =~ m{^(.*)/} ? "$1/lib" : 'lib';

use Test::More;

use LoadCheck qw(load losses);
use ShimTest;

my $source = ShimTest::slurp($SHIM);
my $good = load($source);
is_deeply([losses($good)], [], 'the shim as it is costs nothing') or BAIL_OUT('no use to go on');
my $apiver = $good->{node}->{apiver};

my $fatal = qr/^PVE::Storage is unusable: /;
my $gone = qr/^entry d0 is gone/;

# A sub of the shim with another body.
sub body {
    my ($name, $body) = @_;
    return sub { s/^sub \Q$name\E \{.*?\}(?: #[^\n]*)?\n(?=\n|sub )/sub $name { $body }\n/ms };
}

# what, how the file changes, what it costs, what PVE says, the oldest and newest APIVER it is about
my @variants = (
    [
        'properties() inherited', sub { s/^sub properties \{.*?\n//m },
        $fatal, qr/duplicate property '[\w-]+'/,
    ],
    [
        "a property of PVE's own", body('properties', 'return { shared => {} };'),
        $fatal, qr/duplicate property 'shared'/,
    ],
    [
        "another plugin's property", body('properties', 'return { server => {} };'),
        $fatal, qr/duplicate property 'server'/,
    ],
    [
        'an option nobody defines', body('options', 'return { vgname => {}, nosuch => {} };'),
        $fatal, qr/undefined property 'nosuch'/,
    ],
    [
        'an option of a later PVE',
        body('options', "return { vgname => {}, 'snapshot-as-volume-chain' => { optional => 1 } };"),
        $fatal, qr/undefined property 'snapshot-as-volume-chain'/, 0, 11,
    ],
    [
        'properties() dies', body('properties', q{die "boom\n";}),
        $fatal, qr/boom/,
    ],
    [
        'options() dies', body('options', q{die "boom\n";}),
        $fatal, qr/boom/,
    ],
    [
        'plugindata() is a block, not a hash',
        body('plugindata', 'my $d = $_[0]->SUPER::plugindata(); {%$d, x => 1}'),
        $fatal, qr/as a HASH ref/,
    ],
    [
        'isolated properties, none declared',
        body('plugindata', q{return { %{ $_[0]->SUPER::plugindata() }, 'isolate-properties' => 1 };}),
        $fatal, qr/property '[\w-]+'/, 15,
    ],
    [
        'isolated properties, declared again',
        sub {
            body('plugindata', q{return { %{ $_[0]->SUPER::plugindata() }, 'isolate-properties' => 1 };})->();
            body('properties', 'return PVE::Storage::LVMPlugin->properties();')->();
        },
        $fatal, qr/duplicate property|property 'bwlimit'/,
    ],
    [
        'no api()', sub { s/^sub api /sub apj /m },
        $gone, qr/does not provide an api\(\) method/,
    ],
    [
        'an api() from before the window', body('api', 'return 2;'),
        $gone, qr/API version too old/,
    ],
    [
        'an older api() within the window', body('api', 'return PVE::Storage::APIVER() - 1;'),
        qr/^every process prints: /, qr/is implementing an older storage API/,
    ],
    [
        'an api() of the future', body('api', 'return PVE::Storage::APIVER() + 1;'),
        $gone, qr/implements an API version newer than current/,
    ],
    [
        'type() inherited', sub { s/^sub type \{.*?\n//m },
        $gone, qr/duplicate plugin registration \(type = lvm\)/,
    ],
    [
        'capitals in the type', body('type', q{return 'DrbdLvm';}),
        $gone, qr/unsupported type 'drbdlvm'/,
    ],
    [
        'a syntax error', sub { s/^sub type /sub type type /m },
        $gone, qr/Error loading storage plugin/,
    ],
    [
        'a module this node lacks', sub { s/^use JSON;/use No::Such::Module;/m },
        $gone, qr/Error loading storage plugin/,
    ],
    [
        'die at load', sub { s/^1;\n/die "boom\\n";\n/m },
        $gone, qr/Error loading storage plugin .*boom/,
    ],
    [
        'not a storage plugin', sub { s/^use base .*\n//m },
        $gone, qr/not derived from PVE::Storage::Plugin/,
    ],
    [
        'shared by list instead of by check_config()',
        sub {
            s/^1;\n/push \@PVE::Storage::Plugin::SHARED_STORAGE, 'drbdlvm';\n1;\n/m;
            s/'base', grep/'base', 'shared', grep/;
        },
        qr/^every process prints: /, qr/unexpected property 'shared'/,
    ],
    [
        'shared left to the file', sub { s/, shared => 1 \}/ }/ },
        qr/^entry d1 is not shared/, qr//,
    ],
);

for my $variant (@variants) {
    my ($what, $change, $cost, $words, $from, $to) = @{$variant};
  SKIP: {
        skip("$what: not about storage API $apiver", 1)
            if $apiver < ($from // 0) || $apiver > ($to // $apiver) && ShimTest::is_real();
        local $_ = $source;
        $change->();
        BAIL_OUT("$what: the file has changed, this variant of it has not") if $_ eq $source;

        # The stand-ins can play the PVE that the mistake is about.
        my $run = load($_, defined($to) ? 8 : undef);
        my @losses = losses($run);
        subtest $what => sub {
            ok((grep { $_ =~ $cost } @losses), 'is noticed') or diag(explain(\@losses));
            like($run->{err}, $words, 'for what it is');
        };
    }
}

done_testing();
