package RealMigration;

# Lets prepare() of the real PVE::QemuMigrate and PVE::LXC::Migrate run without a cluster: the guest
# is stopped, its configuration is made here, and the "ssh" to the target is `env`.

use strict;
use warnings;

sub arrange {
    my ($self, $storecfg, $volids) = @_;

    my $is_lxc = ref($self) =~ /LXC/;
    {
        # PVE is written for the Perl of its own release, which has fewer experiments to warn of.
        local $SIG{__WARN__} = sub { warn @_ if $_[0] !~ /is experimental/ };
        require PVE::QemuMigrate;
        require PVE::LXC::Migrate;
    }

    my @slots = $is_lxc ? ('rootfs', 'mp0', 'mp1') : qw(scsi0 scsi1 scsi2);
    my %conf;
    for my $volid (@{$volids}) {
        my $slot = shift(@slots);
        my $mount = $slot =~ /^mp/ ? ",mp=/$slot" : '';
        $conf{$slot} = "$volid$mount,size=1G";
    }
    $self->{rem_ssh} = ['/usr/bin/env'];

    no warnings qw(redefine once);
    *PVE::Storage::config = sub { return $storecfg };
    *PVE::Cluster::cfs_read_file = sub { return { ids => {} } };
    *PVE::ReplicationConfig::new = sub { return bless { ids => {} }, 'PVE::ReplicationConfig' };
    *PVE::ReplicationConfig::find_local_replication_job = sub { return };
    *PVE::ReplicationConfig::check_for_existing_jobs = sub { return };
    *PVE::QemuConfig::load_config = *PVE::LXC::Config::load_config = sub { return {%conf} };
    *PVE::QemuConfig::cleanup_fleecing_images = sub { return };
    *PVE::QemuServer::check_running = *PVE::LXC::check_running = sub { return 0 };
    return;
}

1;
