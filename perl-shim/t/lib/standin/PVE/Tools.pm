# Stands for pve-common's run_command, which runs nothing here, and for reading and replacing a whole file
package PVE::Tools;

use strict;
use warnings;

use base qw(Exporter);

our @EXPORT_OK = qw(file_get_contents file_set_contents run_command);

sub run_command { die "no command is run in a test\n"; }

sub file_get_contents {
    my ($file) = @_;
    open(my $handle, '<', $file) or die "can't open '$file' - $!\n";
    local $/ = undef;
    my $text = <$handle>;
    close($handle) or die "$file: $!\n";
    return $text;
}

sub file_set_contents {
    my ($file, $text) = @_;
    my $part = "$file.tmp.$$";
    open(my $handle, '>', $part) or die "unable to open file '$part' - $!\n";
    print {$handle} $text or die "unable to write '$part' - $!\n";
    close($handle) or die "closing file '$part' failed - $!\n";
    rename($part, $file) or die "close (rename) atomic file '$file' failed: $!\n";
    return;
}

1;
