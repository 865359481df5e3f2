package LoadCheck;

# Does a node with this plugin keep its storage configuration? Loads PVE::Storage in a process of its
# own with the given text as the custom plugin, parses a storage.cfg, and writes it back.

use strict;
use warnings;

use base qw(Exporter);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use JSON;

use ShimTest;

our @EXPORT_OK = qw(load losses);

my $STORAGE_CFG = <<'END';
dir: local
	path /var/lib/vz
	content images

drbdlvm: d0
	vgname drbdvg
	content images,rootdir
	shared 1

lvm: l0
	vgname pve
	content images

drbdlvm: d1
	vgname drbdvg1
	content images
END

my $PROGRAM = <<'END';
use JSON;
use PVE::Storage;
my $cfg = PVE::Storage::Plugin->parse_config('storage.cfg', join('', <STDIN>));
my $ids = $cfg->{ids};
my $class = $PVE::Storage::{APIVER} && $ids->{d0} ? PVE::Storage::Plugin->lookup($ids->{d0}->{type}) : undef;
print JSON->new->canonical->encode({
    types => { map { $_ => $ids->{$_}->{type} } keys %{$ids} },
    vgs => { map { $_ => $ids->{$_}->{vgname} } keys %{$ids} },
    shared => { map { $_ => $ids->{$_}->{shared} } keys %{$ids} },
    written => PVE::Storage::Plugin->write_config('storage.cfg', $cfg),
    apiver => PVE::Storage::APIVER(),
    options => $class ? [sort keys %{ $class->options() }] : [],
    parent_options => [sort keys %{ PVE::Storage::LVMPlugin->options() }],
});
END

sub load {
    my ($source, $pve) = @_;

    my $dir = tempdir(CLEANUP => 1) =~ /^(.*)$/ ? $1 : die;
    make_path("$dir/PVE/Storage/Custom");
    write_file("$dir/PVE/Storage/Custom/DrbdLvmPlugin.pm", $source);
    write_file("$dir/storage.cfg", $STORAGE_CFG);
    write_file("$dir/load.pl", $PROGRAM);
    my @use = ("-MShimTest=custom,$dir,pve," . ($pve // $ShimTest::PVE));
    my $run = run_perl("$dir/storage.cfg", @use, "$dir/load.pl");
    $run->{node} = eval { decode_json($run->{out}) } // {};
    return $run;
}

sub write_file {
    my ($path, $text) = @_;
    open(my $handle, '>', $path) or die "$path: $!\n";
    print {$handle} $text;
    close($handle) or die "$path: $!\n";
    return;
}

# What such a node would lose or spoil; nothing for a plugin that is fit to be installed.
sub losses {
    my ($run) = @_;

    return ("PVE::Storage is unusable: $run->{err}") if $run->{exit};
    my $node = $run->{node};
    my @losses;
    for my $id (qw(d0 d1)) {
        push @losses, "entry $id is gone" if ($node->{types}->{$id} // '') ne 'drbdlvm';
        push @losses, "entry $id is not written back" if $node->{written} !~ /^drbdlvm: $id$/m;
        push @losses, "entry $id has lost its VG" if !$node->{vgs}->{$id};
        push @losses, "entry $id is not shared" if !$node->{shared}->{$id};
    }
    push @losses, 'an lvm entry is touched' if $node->{shared}->{l0} || $node->{vgs}->{l0} ne 'pve';
    push @losses, "every process prints: $run->{err}" if $run->{err};
    return @losses;
}

1;
