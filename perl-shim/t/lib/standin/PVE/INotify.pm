# Stands for pve-common's way to tell this node's name; watches nothing
package PVE::INotify;

use strict;
use warnings;

sub nodename { return 'pveA'; }

1;
