# Stands for any other storage type that defines properties LVM uses or the shim must not; stores nothing
package PVE::Storage::DirPlugin;

use strict;
use warnings;

use base qw(PVE::Storage::Plugin);

sub type { return 'dir'; }

sub plugindata { return { content => [{ images => 1 }, { images => 1 }] }; }

sub properties { return { map { $_ => { type => 'string' } } qw(path server bwlimit) }; }

sub options {
    return { path => { fixed => 1 }, map { $_ => { optional => 1 } } qw(nodes content bwlimit) };
}

1;
