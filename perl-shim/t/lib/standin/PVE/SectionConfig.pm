# Stands for pve-common's section config: register, init, check, parse and write; no JSON schema, arrays, or isolation beyond its refusals
package PVE::SectionConfig;

use strict;
use warnings;

sub register {
    my ($class) = @_;
    my ($type, $data) = ($class->type(), $class->private());
    die "duplicate plugin registration (type = $type)" if $data->{plugins}->{$type};
    $data->{plugindata}->{$type} = $class->plugindata();
    $data->{plugins}->{$type} = $class;
    return;
}

# Dies on the same mistakes, with the same words, as the real one; so does a whole PVE process.
sub init {
    my ($class) = @_;
    my $data = $class->private();
    my $plugins = $data->{plugins};
    my $knows_isolation = PVE::Storage::APIVER() >= 15;

    my %isolates = map { $_ => $knows_isolation && $data->{plugindata}->{$_}->{'isolate-properties'} }
        keys %{$plugins};
    my %base = %{ $data->{propertyList} };
    my %own;
    for my $type (keys %{$plugins}) {
        my %properties = %{ $plugins->{$type}->properties() };
        for my $name (keys %properties) {
            my $known = $isolates{$type} ? ($own{$type} //= {}) : $data->{propertyList};
            die "duplicate property '$name'" if $known->{$name};
            $known->{$name} = { %{ $properties{$name} }, optional => 1 };
        }
    }
    for my $type (keys %{$plugins}) {
        my $options = $plugins->{$type}->options();
        my %known = $isolates{$type} ? (%base, %{ $own{$type} // {} }) : %{ $data->{propertyList} };
        $known{$_} or die "undefined property '$_'" for keys %{$options};
        $data->{options}->{$type} = $options;
    }
    return;
}

sub lookup {
    my ($class, $type) = @_;
    return $class->private()->{plugins}->{$type} // die "unknown section type '$type'\n";
}

sub properties { return {}; }

sub decode_value { return $_[3]; }

sub encode_value { return $_[3]; }

sub check_config {
    my ($class, $id, $config, $create) = @_;
    my $type = $class->type();
    my $options = $class->private()->{options}->{$type};

    my %settings = (type => $type);
    for my $key (keys %{$config}) {
        next if $key eq 'type';
        die "unexpected property '$key'\n" if !$options->{$key};
        die "can't change value of fixed parameter '$key'\n" if !$create && $options->{$key}->{fixed};
        $settings{$key} = $class->decode_value($type, $key, $config->{$key});
    }
    for my $key (grep { !$options->{$_}->{optional} } keys %{$options}) {
        die "missing value for required option '$key'\n" if $create && !defined($config->{$key});
    }
    return \%settings;
}

sub parse_config {
    my ($class, $file, $text) = @_;
    my $data = $class->private();

    my %cfg = (ids => {}, order => {});
    for my $section (split(/\n\s*\n/, $text)) {
        my ($header, @lines) = split(/\n/, $section);
        my ($type, $id) = $header =~ /^(\S+):\s*(\S+)\s*$/ or next;
        $type = lc($type);
        my $plugin = $data->{plugins}->{$type};
        if (!$plugin) {
            warn "file $file (skip section '$id'): unsupported type '$type'\n";
            next;
        }
        my %config;
        for my $line (@lines) {
            my ($key, $value) = $line =~ /^\s+(\S+)(?:\s+(.*\S))?\s*$/ or next;
            if (!$data->{options}->{$type}->{$key}) {
                warn "file $file (section '$id') - unable to parse value of '$key':"
                    . " unexpected property '$key'\n";
                next;
            }
            $config{$key} = $value // 1;
        }
        $cfg{ids}->{$id} = $plugin->check_config($id, \%config, 1, 1);
        $cfg{order}->{$id} = 1 + keys %{ $cfg{order} };
    }
    return \%cfg;
}

# Writes what was parsed and nothing else: a section that was skipped is gone.
sub write_config {
    my ($class, $file, $cfg) = @_;
    my $text = '';
    for my $id (sort { $cfg->{order}->{$a} <=> $cfg->{order}->{$b} } keys %{ $cfg->{ids} }) {
        my %config = %{ $cfg->{ids}->{$id} };
        my $type = delete($config{type});
        $text .= "$type: $id\n";
        for my $key (sort keys %{ $class->private()->{options}->{$type} }) {
            next if !defined($config{$key});
            $text .= "\t$key " . $class->encode_value($type, $key, $config{$key}) . "\n";
        }
        $text .= "\n";
    }
    return $text;
}

1;
