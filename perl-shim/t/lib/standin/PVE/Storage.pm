# Stands for pve-storage's loader of plugins and the order in which it calls them: no configuration file, node restrictions, or udev
package PVE::Storage;

use strict;
use warnings;

use PVE::Cluster;
use PVE::Storage::Plugin;
use PVE::Storage::DirPlugin;
use PVE::Storage::LVMPlugin;

sub APIVER { return $ShimTest::PVE >= 9 ? 15 : 11; }

sub APIAGE { return $ShimTest::PVE >= 9 ? 6 : 2; }

$_->register() for qw(PVE::Storage::DirPlugin PVE::Storage::LVMPlugin);

opendir(my $dir, $ShimTest::CUSTOM) or die "$ShimTest::CUSTOM: $!\n";
for my $name (map { /^(\w+)\.pm$/ } readdir($dir)) {
    my $module = "PVE::Storage::Custom::$name";
    my $file = "PVE/Storage/Custom/$name.pm";
    eval {
        require $file;
        die "not derived from PVE::Storage::Plugin\n" if !$module->isa('PVE::Storage::Plugin');
        die "does not provide an api() method\n" if !$module->can('api');
        my $version = $module->api();
        my ($newest, $oldest) = (APIVER(), APIVER() - APIAGE());
        die "implements an API version newer than current ($version > $newest)\n"
            if $version > $newest;
        die "API version too old, please update the plugin ($version < $oldest)\n"
            if $version < $oldest;
        $module->register();
        warn "Plugin \"$module\" is implementing an older storage API, an upgrade is recommended\n"
            if $version != $newest;
        1;
    } or warn "Error loading storage plugin \"$module\": $@";
}
closedir($dir);

PVE::Storage::Plugin->init(); # outside of the eval: what fails here ends the process

sub lock_storage_config {
    my ($code, $errmsg) = @_;
    PVE::Cluster::cfs_lock_file('storage.cfg', undef, $code);
    my $err = $@;
    if ($err) {
        $errmsg ? die "$errmsg: $err" : die $err;
    }
    return;
}

sub activate_storage {
    my ($cfg, $storeid, $cache) = @_;
    my $scfg = $cfg->{ids}->{$storeid};
    my $plugin = PVE::Storage::Plugin->lookup($scfg->{type});
    if (!eval { $plugin->check_connection($storeid, $scfg) }) {
        die "connection check for storage '$storeid' failed - $@\n" if $@;
        die "storage '$storeid' is not online\n";
    }
    $plugin->activate_storage($storeid, $scfg, $cache);
    return $plugin;
}

sub activate_volumes {
    my ($cfg, $volids, $snapname, $hints) = @_;
    my $cache = {};
    for my $volid (@{$volids}) {
        my ($storeid, $volname) = split(/:/, $volid);
        my $plugin = activate_storage($cfg, $storeid, $cache);
        my $scfg = $cfg->{ids}->{$storeid};
        $plugin->activate_volume($storeid, $scfg, $volname, $snapname, $cache, $hints);
    }
    return;
}

sub storage_info {
    my ($cfg) = @_;
    my ($cache, %info) = ({});
    for my $storeid (keys %{ $cfg->{ids} }) {
        $info{$storeid} = { active => 0, total => 0, avail => 0, used => 0 };
        my $plugin = eval { activate_storage($cfg, $storeid, $cache) } or next;
        my ($total, $avail, $used, $active) = $plugin->status($storeid, $cfg->{ids}->{$storeid}, $cache);
        next if !$active;
        $info{$storeid} = { active => $active, total => $total, avail => $avail, used => $used };
    }
    return \%info;
}

sub vdisk_alloc {
    my ($cfg, $storeid, $vmid, $fmt, $name, $size_kib) = @_;
    my $plugin = activate_storage($cfg, $storeid, {});
    my @args = ($storeid, $cfg->{ids}->{$storeid}, $vmid, $fmt, $name, $size_kib);
    return "$storeid:" . $plugin->alloc_image(@args);
}

sub volume_resize {
    my ($cfg, $volid, $size, $running, $snapname) = @_;
    my ($storeid, $volname) = split(/:/, $volid);
    my $scfg = $cfg->{ids}->{$storeid};
    my $plugin = PVE::Storage::Plugin->lookup($scfg->{type});
    return $plugin->volume_resize($scfg, $storeid, $volname, $size, $running, $snapname);
}

1;
