#!/usr/bin/perl -T

# The program that changes an entry's type in place: nothing else changes, and it can be killed at any moment.

use strict;
use warnings;

use lib __FILE__ =~ m{^(.*)/} ? "$1/lib" : 'lib';

use Digest::SHA qw(sha1_hex sha256_hex);
use File::Temp qw(tempdir);
use JSON;
use Test::More;

use ShimTest;

my $program = $SHIM =~ s{/PVE/.*}{/bin/pve-drbd-retype}r;
my $dir = tempdir(CLEANUP => 1) =~ /^(.*)$/ ? $1 : die;
my $cfg = "$dir/storage.cfg";
my $plugin = sha256_hex(ShimTest::slurp($SHIM));

# Hand edits and all: comments, capitals, odd blanks, an entry of a type that nobody here knows.
my $before = <<'END';
# edited by hand
dir: local
	path /var/lib/vz
	content images

LVM:   d0
	# keep me
	vgname drbdvg
	  content rootdir,images
	nodes pveB,pveA
	shared 1

nosuchtype: x0
	path /x

lvm: l0
	vgname pve
	content images

lvm: with-base
	vgname vg2
	base iscsi:lun0
	shared 1

drbdlvm: d1
	vgname drbdvg1
	content images

drbdlvm: d2
	vgname drbdvg2
	shared 1
	content images

lvm: d00
	vgname other
	shared 1
END

# The program as PVE's root would run it, but for where the file is, the members, and the lock. KILL_AT names the
# moment at which it is killed, without warning.
my $seam = <<'END';
my ($program, $cfg, $nodes, $kill_at, @args) = map { /^(.*)$/s } @ARGV;
my $moment = sub { kill(KILL => $$) if $_[0] eq $kill_at };
BEGIN {
    *CORE::GLOBAL::rename = sub (**) {
        $main::moment->('before the rename');
        my $done = CORE::rename($_[0], $_[1]);
        $main::moment->('after the rename');
        return $done;
    };
}
our $moment = $moment;
require PVE::Tools;
require PVE::Cluster;
no warnings qw(redefine once);
my ($get, $set) = (\&PVE::Tools::file_get_contents, \&PVE::Tools::file_set_contents);
*PVE::Tools::file_get_contents = sub {
    $moment->('before reading');
    my $text = $get->(@_);
    $moment->('after reading');
    return $text;
};
*PVE::Tools::file_set_contents = sub { $moment->('before writing'); $set->(@_); $moment->('after writing'); return };
*PVE::Cluster::get_nodelist = sub { return [split(/,/, $nodes)] };
*PVE::Cluster::cfs_lock_file = sub {
    my ($file, $timeout, $code) = @_;
    $moment->('before the lock');
    if (!mkdir("$cfg.lock")) {
        $@ = "cfs-lock 'file-$file' error: got lock request timeout\n";
        return;
    }
    $moment->('in the lock');
    eval { $code->() };
    my $err = $@;
    $moment->('before the unlock');
    rmdir("$cfg.lock");
    $moment->('after the unlock');
    $@ = $err;
    return;
};
require PVE::Storage; # takes the lock's name from PVE::Cluster as it stands now
require $program;
$PVEDrbd::Retype::STORAGE_CFG = $cfg;
exit(PVEDrbd::Retype::main(@args));
END

sub write_cfg {
    my ($text) = @_;
    open(my $handle, '>', $cfg) or die "$cfg: $!\n";
    print {$handle} $text;
    close($handle) or die "$cfg: $!\n";
    unlink(glob_untainted("$cfg.tmp.*"));
    rmdir("$cfg.lock");
    return;
}

sub glob_untainted {
    my ($pattern) = @_;
    return map { /^(.*)$/ } glob($pattern);
}

sub run {
    my ($question, %how) = @_;
    my @args = ref($question) ? ('change', JSON->new->canonical->encode($question)) : $question;
    my @where = ($how{program} // $program, $cfg, $how{nodes} // 'pveA,pveB', $how{kill_at} // 'never');
    return run_perl('/dev/null', '-MShimTest', '-e', $seam, @where, @args);
}

sub question {
    my ($storage, $from, $to, %more) = @_;
    return {
        storage => $storage, from => $from, to => $to, digest => sha1_hex(ShimTest::slurp($cfg)),
        plugins => { pveA => $plugin, pveB => $plugin }, %more,
    };
}

sub fails {
    my ($run, $exit, $line, $what) = @_;
    is($run->{exit} >> 8, $exit, $what);
    like($run->{err}, qr/^pve-drbd-retype: [^\n]*$line[^\n]*\n\z/m, '... and says why in one line');
    is($run->{out}, '', '... and nothing else');
    is(ShimTest::slurp($cfg), $before, '... and nothing is changed');
    return;
}

subtest 'adopt and release' => sub {
    write_cfg($before);
    my $run = run(question('d0', 'lvm', 'drbdlvm'));
    is($run->{err}, '', 'has nothing to complain of');
    my $adopted = $before =~ s/^LVM:   d0$/drbdlvm:   d0/mr;
    is(ShimTest::slurp($cfg), $adopted, 'changes one word, and not another byte');
    is_deeply(decode_json($run->{out}), { changed => 1, digest => sha1_hex($adopted) }, 'and says what the file is now');

    $run = run(question('d0', 'drbdlvm', 'lvm'));
    is(ShimTest::slurp($cfg), $before =~ s/^LVM:   d0$/lvm:   d0/mr, 'the way back changes the word back');
};

subtest 'what is not what was shown' => sub {
    write_cfg($before);
    fails(run(question('d0', 'lvm', 'drbdlvm', digest => 'a' x 40)), 3, 'has changed since', 'another digest');
    fails(run(question('d2', 'lvm', 'drbdlvm')), 1, 'd2 is of type drbdlvm, not lvm', 'another type');
    fails(run(question('nope', 'lvm', 'drbdlvm')), 1, 'no entry nope', 'no such entry');
    fails(run(question('x0', 'lvm', 'drbdlvm')), 1, 'is of type nosuchtype', 'a type that nobody knows');
};

subtest 'what the other type would read differently' => sub {
    write_cfg($before);
    fails(run(question('l0', 'lvm', 'drbdlvm')), 1, 'not have the same shared .not set', 'an entry that is not shared');
    fails(run(question('with-base', 'lvm', 'drbdlvm')), 1, 'not have the same base', 'an option that we do not have');
    fails(run(question('d1', 'drbdlvm', 'lvm')), 1, 'not have the same shared', 'a `shared` that only our type implies');
};

subtest 'nodes without the plugin' => sub {
    write_cfg($before);
    my @other = (plugins => { pveA => $plugin, pveB => 'b' x 64 });
    fails(run(question('d0', 'lvm', 'drbdlvm', @other)), 1, 'pveB does not have the plugin', 'another plugin there');
    my $third = run(question('d0', 'lvm', 'drbdlvm'), nodes => 'pveA,pveB,pveC');
    fails($third, 1, 'pveC is a member .* nobody looked', 'a member that was not looked at');

    my $run = run(question('d2', 'drbdlvm', 'lvm', plugins => {}), nodes => 'pveA,pveB,pveC');
    is($run->{exit}, 0, 'release asks nobody: every node knows lvm');
};

subtest 'a process that does not have the plugin' => sub {
    my $empty = "$dir/empty";
    mkdir($_) for ($empty, map { "$empty/$_" } qw(PVE PVE/Storage PVE/Storage/Custom));
    my $node = sub {
        return run_perl('/dev/null', "-MShimTest=custom,$empty", '-e', $seam, $program, $cfg, 'pveA', 'never', @_);
    };
    write_cfg($before);
    my $run = $node->('check');
    is($run->{exit}, 0, 'answers the check');
    like(decode_json($run->{out})->{problem}, qr/does not find the plugin/, 'with what is missing');
    my $question = encode_json(question('d0', 'lvm', 'drbdlvm'));
    fails($node->('change', $question), 1, 'does not find the plugin', 'and changes nothing');

    open(my $broken, '>', "$empty/PVE/Storage/Custom/DrbdLvmPlugin.pm") or die "$!\n";
    print {$broken} "package PVE::Storage::Custom::DrbdLvmPlugin; die 'broken'; 1;\n";
    close($broken) or die "$!\n";
    $run = $node->('check');
    like(decode_json($run->{out})->{problem}, qr/plugin/, 'nor does a plugin that does not load pass');
};

subtest 'check' => sub {
    my $run = run('check');
    my $seen = decode_json($run->{out});
    is($seen->{sha256}, $plugin, 'tells the file that a fresh process loads');
    my $is_right = abs($seen->{changed_at} - (stat($SHIM))[10]) < 1;
    ok($is_right, 'and when it last changed');
};

subtest 'questions that are none' => sub {
    write_cfg($before);
    my %bad = (
        'not JSON' => '{', 'a list' => '[]', 'a path' => '{"storage":"../x","from":"lvm","to":"drbdlvm"}',
        'another type' => '{"storage":"d0","from":"lvm","to":"dir"}',
        'no digest' => '{"storage":"d0","from":"lvm","to":"drbdlvm","digest":"1"}',
    );
    for my $what (sort keys %bad) {
        my $run = run_perl('/dev/null', '-MShimTest', '-e', $seam, $program, $cfg, 'pveA', 'never', 'change', $bad{$what});
        fails($run, 1, '', $what);
    }
    fails(run('whatever'), 1, 'usage', 'another verb');
};

subtest 'a lock that somebody holds' => sub {
    write_cfg($before);
    mkdir("$cfg.lock") or die "$!\n";
    fails(run(question('d0', 'lvm', 'drbdlvm')), 1, 'got lock request timeout', 'is waited for by PVE, then told');
    rmdir("$cfg.lock");
};

my $after = $before =~ s/^LVM:   d0$/drbdlvm:   d0/mr;
for my $moment (
    'before the lock', 'in the lock', 'before reading', 'after reading', 'before writing', 'before the rename',
    'after the rename', 'after writing', 'before the unlock', 'after the unlock',
) {
    subtest "killed $moment" => sub {
        write_cfg($before);
        my $run = run(question('d0', 'lvm', 'drbdlvm'), kill_at => $moment);
        is($run->{exit} & 127, 9, 'is dead');
        my $text = ShimTest::slurp($cfg);
        ok($text eq $before || $text eq $after, 'the file is the old one or the new one, whole');

        rmdir("$cfg.lock"); # pmxcfs lets go of a dead process's lock after two minutes
        my $type = $text eq $before ? 'lvm' : 'drbdlvm';
        $run = run(question('d0', 'lvm', 'drbdlvm'));
        is($run->{exit} >> 8, $type eq 'lvm' ? 0 : 1, "the next run finds an entry of type $type");
        is(ShimTest::slurp($cfg), $after, 'and after it the entry is adopted');
    };
}

ok(-x $program, 'root can run it');
done_testing();
