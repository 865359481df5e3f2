#!/usr/bin/perl -T

# A service that is absent, hangs, or answers badly is no permission: both gates stay shut, within
# 10 s, with one line that says what is so, and leave the process as it was.

use strict;
use warnings;

use lib __FILE__ =~ m{^(.*)/} ? "$1/lib" : 'lib';

use Test::More;

use File::Temp qw(tempdir);
use IO::Socket::UNIX;
use JSON;
use POSIX ();
use Time::HiRes qw(CLOCK_MONOTONIC clock_gettime sleep ualarm);

use FakeGate;
use ShimTest;

my $scfg = entry();
my $cfg = { ids => { drbdvg => $scfg } };
my $yes = qq({"v":1,"answer":"yes","line":"all is well","codes":[]}\n);

my %gates = (
    source => sub {
        $WORKER++;
        return said_by(sub { in_task('qmigrate', 100, sub { $GATE->check_connection('drbdvg', $scfg) }) });
    },
    target => sub {
        local $ENV{PVE_MIGRATED_FROM} = 'pveB';
        @COMMANDS = ();
        return said_by(sub {
            in_task('qmstart', 100, sub { $GATE->activate_volume('drbdvg', $scfg, 'vm-100-disk-0') });
        });
    },
);

sub now { return clock_gettime(CLOCK_MONOTONIC); }

# Asks at both gates $times times and collects what is wrong with what they say.
sub flaws {
    my ($why, $times) = @_;

    my $what = 'pve-drbd: the migration of guest 100 was not checked';
    my $one_line = qr/^$what: the service on pveA \Q$why\E.*\. See: systemctl status pve-drbd\n\z/;
    my @flaws;
    for my $side (sort keys %gates) {
        for my $time (1 .. $times // 1) {
            my $start = now();
            my $said = $gates{$side}->();
            my $took = now() - $start;
            push @flaws, "$side $time: died of '$said->{died}'" if $said->{died} !~ $one_line;
            push @flaws, "$side $time: names a line of code" if $said->{died} =~ / at \S+ line \d/;
            push @flaws, "$side $time: took $took s" if $took > 3;
            my $words = $said->{out} . $said->{err};
            push @flaws, "$side $time: wrote $words" if $words ne '';
            push @flaws, "$side $time: ran @COMMANDS" if $side eq 'target' && @COMMANDS;
        }
    }
    return \@flaws;
}

# The real bound, measured beside the other tests: a whole activation as PVE does it on the target.
my $hanging = FakeGate->new(sub { sleep(60) });
pipe(my $report, my $measured) or die "$!\n";
my $measuring = fork() // die "$!\n";
if (!$measuring) {
    local $ENV{PVE_MIGRATED_FROM} = 'pveB';
    my $start = now();
    my $said = said_by(sub {
        in_task('qmstart', 100, sub { PVE::Storage::activate_volumes($cfg, ['drbdvg:vm-100-disk-0']) });
    });
    syswrite($measured, JSON->new->encode({ took => now() - $start, died => $said->{died} }));
    POSIX::_exit(0);
}
close($measured);

my %seconds = %PVE::Storage::Custom::DrbdLvmPlugin::SECONDS;
cmp_ok($seconds{migration}, '<', 10, 'the source gate gives up in time');
cmp_ok($seconds{migration} + $seconds{status}, '<', 10, 'so does the target gate, after a status');
cmp_ok($seconds{'new-data'}, '<=', 2, 'new data waits for 2 s, under a lock');
cmp_ok($seconds{status}, '<=', 1, 'pvestatd waits for a second');
cmp_ok($_, '<', 30, 'nothing waits for longer than pveproxy does') for values %seconds;
%PVE::Storage::Custom::DrbdLvmPlugin::SECONDS = map { $_ => 0.3 } keys %seconds;

subtest 'a service that is not there' => sub {
    my $dir = tempdir(CLEANUP => 1);
    local $PVE::Storage::Custom::DrbdLvmPlugin::SOCKET = "$dir/gate.sock";
    my $connect = "does not answer (connect $dir/gate.sock: ";
    is_deeply(flaws("${connect}No such file or directory)"), [], 'has no socket');

    my $listener = IO::Socket::UNIX->new(Local => "$dir/gate.sock", Listen => 1) or die "$!\n";
    my @waiting = map { IO::Socket::UNIX->new(Peer => "$dir/gate.sock", Timeout => 1) } 1 .. 3;
    is_deeply(flaws("${connect}Resource temporarily unavailable)"), [], 'is swamped');
    undef(@waiting);
    close($listener);
    is_deeply(flaws("${connect}Connection refused)"), [], 'has left its socket behind');

    unlink("$dir/gate.sock");
    open(my $file, '>', "$dir/gate.sock") or die "$!\n";
    close($file);
    is_deeply(flaws("${connect}Connection refused)"), [], 'has a file in the place of its socket');
};

my %hangs = (
    'after the question' => sub { sleep(60) },
    'in the middle of its answer' => sub { syswrite($_[0], '{"v":1,'); sleep(60) },
    'before the end of the line' => sub { syswrite($_[0], $yes =~ s/\n//r); sleep(60) },
    'but for a byte now and then' => sub {
        for my $byte (split(//, $yes x 10)) { syswrite($_[0], $byte eq "\n" ? ' ' : $byte); sleep(0.05) }
    },
);
for my $when (sort keys %hangs) {
    my $gate = FakeGate->new(sub {
        my $pid = fork() // die "$!\n"; # the other gate asks as well
        return if $pid;
        $hangs{$when}->(@_);
        POSIX::_exit(0);
    });
    is_deeply(flaws('does not answer (waited 0.3 s)'), [], "a service that hangs $when");
}
{
    my $gate = FakeGate->new($yes);
    kill('STOP', $gate->{pid});
    is_deeply(flaws('does not answer (waited 0.3 s)'), [], 'a service that was stopped');
}

my $bad = 'does not answer with one whole line of protocol 1';
my %answers = (
    'nothing' => '', 'an empty line' => "\n", 'words' => "yes\n", 'an empty object' => "{}\n",
    'an array' => "[$yes]\n" =~ s/\n(?=.)//r, 'a string' => qq("yes"\n), 'null' => "null\n",
    'noise' => join('', map { chr } 0 .. 255), 'bad UTF-8' => $yes =~ s/all is well/\xff\xfe/r,
    'two answers' => $yes x 2, 'an answer and more' => "${yes}x", 'a folded answer' => $yes =~ s/,/,\n/r,
    'half an object' => qq({"v":1,"answer":"yes"\n), 'no version' => $yes =~ s/"v":1,//r,
    'version null' => $yes =~ s/"v":1/"v":null/r, 'version 0' => $yes =~ s/"v":1/"v":0/r,
    'version 2' => $yes =~ s/"v":1/"v":2/r, 'version 11' => $yes =~ s/"v":1/"v":11/r,
    'version [1]' => $yes =~ s/"v":1/"v":[1]/r, 'no answer' => qq({"v":1,"line":"x"}\n),
    'another answer' => $yes =~ s/"yes"/"maybe"/r, 'a loud answer' => $yes =~ s/"yes"/"YES"/r,
    'a true answer' => $yes =~ s/"yes"/true/r, 'an answer with more lines' => $yes =~ s/yes/yes\\n/r,
    'a nested answer' => $yes =~ s/"yes"/["yes"]/r, 'codes of another kind' => $yes =~ s/\[\]/"x"/r,
    'a line too long' => qq({"v":1,"answer":"yes","line":") . 'x' x 65536 . qq("}\n),
    'no end of it' => 'x' x 200_000,
);
for my $what (sort keys %answers) {
    my $gate = FakeGate->new($answers{$what});
    is_deeply(flaws($bad), [], "a service that answers with $what");
}

subtest 'an answer cut off' => sub {
    my $gate = FakeGate->new(sub {
        my ($connection, undef, $number) = @_;
        syswrite($connection, substr($yes, 0, $number % length($yes)));
    });
    is_deeply(flaws($bad, length($yes)), [], 'at any byte is no permission');
    is(scalar($gate->asked()), 2 * length($yes), 'each was asked for');
};

subtest 'a service that hangs up' => sub {
    my $gate = FakeGate->new($yes);
    local $PVE::Storage::Custom::DrbdLvmPlugin::SOCKET = "$gate->{dir}/rude.sock";
    my $listener =
        IO::Socket::UNIX->new(Local => "$gate->{dir}/rude.sock", Listen => 8) or die "$!\n";
    my $pid = fork() // die "$!\n";
    if (!$pid) {
        while (my $connection = $listener->accept()) { close($connection) }
        POSIX::_exit(0);
    }
    close($listener);
    local $SIG{PIPE} = 'DEFAULT'; # as in PVE's workers
    is_deeply(flaws($bad, 20), [], 'before it reads is no permission, and no broken pipe');
    kill('KILL', $pid);
    waitpid($pid, 0);
};

subtest 'an answer of just 64 KiB' => sub {
    my $frame = qq({"v":1,"answer":"yes","line":""}\n);
    my $line = 'x' x (65536 - length($frame));
    my $gate = FakeGate->new($frame =~ s/""/"$line"/r);
    is($gates{$_}->()->{died}, '', "is read at the $_") for sort keys %gates;
};

subtest 'an answer in pieces' => sub {
    my $gate = FakeGate->new(sub {
        for my $piece (unpack('(a9)*', $yes)) { syswrite($_[0], $piece); sleep(0.01) }
    });
    is($gates{$_}->()->{died}, '', "is whole at the $_ when it ends in time") for sort keys %gates;
};

subtest "the process's own affairs" => sub {
    my $gate = FakeGate->new(sub { sleep(0.1); syswrite($_[0], $yes) });
    my $open = sub {
        opendir(my $dir, '/proc/self/fd') or die "$!\n";
        return scalar(my @entries = readdir($dir));
    };
    local %SIG = (%SIG, ALRM => sub { die "alarm\n" }, USR1 => sub { });
    my %before = %SIG;
    my $fds = $open->();
    alarm(30);
    my $disturber = fork() // die "$!\n";
    if (!$disturber) {
        for (1 .. 15) { sleep(0.02); kill('USR1', getppid()) }
        POSIX::_exit(0);
    }
    is($gates{$_}->()->{died}, '', "a signal does not end the wait at the $_") for sort keys %gates;
    cmp_ok(alarm(0), '>', 20, 'an alarm that is set stays set');
    waitpid($disturber, 0);
    is_deeply(\%SIG, \%before, 'handlers are what they were');
    is($open->(), $fds, 'no socket stays open');
};

subtest "PVE's own time limit" => sub {
    my $gate = FakeGate->new(sub { sleep(60) });
    local $PVE::Storage::Custom::DrbdLvmPlugin::SECONDS{'new-data'} = 5;
    local $SIG{ALRM} = sub { die "got lock timeout\n" };
    my $start = now();
    my $said = said_by(sub {
        ualarm(200_000);
        $GATE->alloc_image('drbdvg', $scfg, 100, 'raw', 'vm-100-disk-9', 4096);
    });
    is($said->{died}, "got lock timeout\n", 'comes through a question');
    cmp_ok(now() - $start, '<', 3, 'at once');
};

waitpid($measuring, 0);
my $measured_at_last = JSON->new->decode(<$report>);
like($measured_at_last->{died}, qr/^pve-drbd: .* does not answer \(waited 8 s\)/, 'the real bound holds');
cmp_ok($measured_at_last->{took}, '<', 10, 'a live migration fails on the target within 10 s');
note("took $measured_at_last->{took} s");

done_testing();
