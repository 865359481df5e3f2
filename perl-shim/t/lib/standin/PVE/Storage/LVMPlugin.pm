# Stands for pve-storage's LVM plugin: which commands it runs when; no qcow2, no freeing, no listing
package PVE::Storage::LVMPlugin;

use strict;
use warnings;

use PVE::Tools qw(run_command);

use base qw(PVE::Storage::Plugin);

sub type { return 'lvm'; }

sub plugindata {
    return { content => [{ images => 1, rootdir => 1 }, { images => 1 }] };
}

sub properties {
    return { map { $_ => { type => 'string' } } qw(vgname base saferemove tagged_only) };
}

sub options {
    return {
        vgname => { fixed => 1 },
        base => { fixed => 1, optional => 1 },
        (map { $_ => { optional => 1 } }
            qw(nodes shared disable content saferemove tagged_only bwlimit),
            ($ShimTest::PVE >= 9 ? 'snapshot-as-volume-chain' : ())),
    };
}

sub parse_volname {
    my ($class, $volname) = @_;
    my ($name, $vmid) = $volname =~ /^(vm-(\d+)-\S+)$/
        or die "unable to parse lvm volume name '$volname'\n";
    my $format = $volname =~ /\.qcow2$/ ? 'qcow2' : 'raw';
    return ('images', $name, $vmid, undef, undef, undef, $format);
}

sub filesystem_path {
    my ($class, $scfg, $volname) = @_;
    return "/dev/$scfg->{vgname}/$volname";
}

sub lvm_vgs {
    my %vgs;
    my $columns = 'vg_name,vg_size,vg_free,lv_count';
    my $cmd = [qw(/sbin/vgs --separator : --noheadings --options), $columns];
    my $read = sub {
        my ($name, $size, $free) = split(/:/, $_[0]);
        $vgs{$name} = { size => $size, free => $free };
    };
    run_command($cmd, outfunc => $read);
    return \%vgs;
}

sub activate_storage {
    my ($class, $storeid, $scfg, $cache) = @_;
    $cache->{vgs} = lvm_vgs() if !$cache->{vgs};
    return;
}

sub status {
    my ($class, $storeid, $scfg, $cache) = @_;
    $cache->{vgs} = lvm_vgs() if !$cache->{vgs};
    my $vg = $cache->{vgs}->{ $scfg->{vgname} } or return;
    return ($vg->{size}, $vg->{free}, $vg->{size} - $vg->{free}, 1);
}

sub activate_volume {
    my ($class, $storeid, $scfg, $volname) = @_;
    my $path = $class->path($scfg, $volname, $storeid);
    run_command(['/sbin/lvchange', $_, $path]) for qw(-aey --refresh);
    return;
}

sub alloc_image {
    my ($class, $storeid, $scfg, $vmid, $fmt, $name, $size_kib) = @_;
    run_command(['/sbin/lvcreate', '--size', "${size_kib}k", '--name', $name, $scfg->{vgname}]);
    return $name;
}

sub volume_resize {
    my ($class, $scfg, $storeid, $volname, $size_bytes) = @_;
    my $size_kib = $size_bytes / 1024;
    run_command(['/sbin/lvextend', '-L', "${size_kib}k", $class->path($scfg, $volname)]);
    return 1;
}

1;
