# Stands for pve-common's run_command by name only: it runs nothing, the tests put theirs in its place
package PVE::Tools;

use strict;
use warnings;

use base qw(Exporter);

our @EXPORT_OK = qw(run_command);

sub run_command { die "no command is run in a test\n"; }

1;
