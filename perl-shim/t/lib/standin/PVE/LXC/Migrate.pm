# Stands for pve-container's migration up to the check of shared storages, from inside a closure; moves nothing
package PVE::LXC::Migrate;

use strict;
use warnings;

sub prepare {
    my ($self, $vmid) = @_;
    my $check = sub {
        my ($volid) = @_;
        my ($storeid) = split(/:/, $volid);
        my $scfg = $self->{storecfg}->{ids}->{$storeid};
        my $plugin = PVE::Storage::Plugin->lookup($scfg->{type});
        warn "Used shared storage '$storeid' is not online on source node!\n"
            if !$plugin->check_connection($storeid, $scfg);
    };
    $check->($_) for @{ $self->{volids} };
    return;
}

1;
