# Stands for qemu-server's migration up to the check of shared storages, once per volume; moves nothing
package PVE::QemuMigrate;

use strict;
use warnings;

sub prepare {
    my ($self, $vmid) = @_;
    for my $volid (@{ $self->{volids} }) {
        my ($storeid) = split(/:/, $volid);
        my $scfg = $self->{storecfg}->{ids}->{$storeid};
        my $plugin = PVE::Storage::Plugin->lookup($scfg->{type});
        warn "Used shared storage '$storeid' is not online on source node!\n"
            if !$plugin->check_connection($storeid, $scfg);
    }
    return;
}

1;
