# Stands for pve-storage's base class: its properties, sharing, and defaults of the methods that LVM does not override; no volumes
package PVE::Storage::Plugin;

use strict;
use warnings;

use base qw(PVE::SectionConfig);

our @SHARED_STORAGE = qw(iscsi nfs drbd);

my $data = {
    propertyList => {
        map { $_ => { type => 'string', optional => 1 } } qw(type nodes content disable shared format),
    },
    plugins => {},
    plugindata => {},
    options => {},
};
$data->{propertyList}->{'snapshot-as-volume-chain'} = { type => 'boolean', optional => 1 }
    if $ShimTest::PVE >= 9;

sub private { return $data; }

sub decode_value {
    my ($class, $type, $key, $value) = @_;
    return $value if $key ne 'content';
    return { map { $_ => 1 } split(/,/, $value) };
}

sub encode_value {
    my ($class, $type, $key, $value) = @_;
    return $key eq 'content' ? join(',', sort keys %{$value}) : $value;
}

sub parse_config {
    my ($class, @args) = @_;
    my $cfg = $class->SUPER::parse_config(@args);
    for my $scfg (values %{ $cfg->{ids} }) {
        $scfg->{content} //= $data->{plugindata}->{ $scfg->{type} }->{content}->[1];
        $scfg->{shared} = 1 if grep { $_ eq $scfg->{type} } @SHARED_STORAGE;
    }
    return $cfg;
}

sub check_connection { return 1; }

sub on_add_hook { return; }

sub path {
    my ($class, $scfg, $volname) = @_;
    return $class->filesystem_path($scfg, $volname);
}

sub cluster_lock_storage {
    my ($class, $storeid, $shared, $timeout, $code, @param) = @_;
    return $code->(@param);
}

# From APIVER 14 on; PVE 8 never calls it.
sub get_identity { die 'get_identity not implemented for this plugin'; }

1;
