package ShimTest;

# What the tests of the shim share: which PVE they run against, the entry and the task they run in,
# and what an outside command would have been.
#
# Without PVE_SRC that PVE is the small stand-ins beside this file. PVE_SRC=DIR, a folder with work
# trees of pve-storage, pve-common, pve-cluster, pve-access-control, pve-guest-common, qemu-server
# and pve-container, puts the real classes in their place; PVE_SRC_LIBS=DIR:... adds Perl libraries
# they need and this machine lacks.

use strict;
use warnings;

use base qw(Exporter);
use Cwd qw(getcwd);
use IPC::Open3 qw(open3);

our @EXPORT_OK = qw($GATE $SHIM $WORKER @COMMANDS %OUTPUT entry migrate in_task said_by run_perl);

our $PVE = 9; # the version that the stand-ins play; the real trees know theirs
our $CUSTOM; # the folder that PVE::Storage loads custom plugins from
our $GATE = 'PVE::Storage::Custom::DrbdLvmPlugin';
our $SHIM; # the file under test
our $WORKER = 12697; # the process id of the next task's worker
our @COMMANDS; # what PVE or the shim would have run, each as one line
our %OUTPUT; # what it prints then, by the command's name

my $HERE; # perl-shim/
my $REAL; # PVE_SRC

# Things no Debian package holds, or that the classes under test name but do not use.
my %IS_ABSENT = map { $_ => 1 } qw(
    PVE::APIClient::LWP PVE::API2::Firewall::VM PVE::Firewall PVE::Firewall::Helpers PVE::HA::Config
    PVE::IPCC PVE::Network::SDN::Vnets PVE::Network::SDN::Zones PVE::RADOS PVE::RS::NVML PVE::RS::TFA
    Proxmox::RS::CalendarEvent Proxmox::RS::Notify
);

BEGIN {
    $ENV{PATH} = '/usr/sbin:/usr/bin:/sbin:/bin';
    delete @ENV{qw(IFS CDPATH ENV BASH_ENV PERL5LIB)};

    my ($lib) = __FILE__ =~ m{^(.*)/[^/]+$};
    my ($cwd) = getcwd() =~ /^(.*)$/;
    $lib = "$cwd/$lib" if $lib !~ m{^/};
    ($HERE) = $lib =~ m{^(.*)/t/lib$};
    $SHIM = "$HERE/PVE/Storage/Custom/DrbdLvmPlugin.pm";
    ($REAL) = ($ENV{PVE_SRC} // '') =~ m{^(.+?)/*$};
}

# use ShimTest;                      the shim as it is
# -MShimTest=custom,DIR,pve,8        for children: another one, in DIR/PVE/Storage/Custom
sub import {
    my ($class, %choice) = @_;

    my ($root) = ($choice{custom} // $HERE) =~ /^(.*)$/;
    $CUSTOM = "$root/PVE/Storage/Custom";
    $PVE = $choice{pve} if $choice{pve};
    if ($REAL) {
        opendir(my $dir, $REAL) or die "$REAL: $!\n";
        my @repositories = map { /^(\w[\w-]*)$/ ? "$REAL/$1" : () } sort readdir($dir);
        my @trees = grep { -d "$_/PVE" } map { ($_, "$_/src") } @repositories;
        my ($libs) = ($ENV{PVE_SRC_LIBS} // '') =~ /^(.*)$/;
        unshift @INC, \&real_source, $root, @trees, split(/:/, $libs);
    } else {
        unshift @INC, $root, "$HERE/t/lib/standin";
    }
    return $class->export_to_level(1, $class, @EXPORT_OK);
}

sub is_real { return defined($REAL); }

# An @INC hook for what the real trees leave to a build, and for the one path they have built in.
sub real_source {
    my (undef, $file) = @_;

    my $module = $file =~ s{/}{::}gr =~ s/\.pm$//r;
    my $text;
    if ($IS_ABSENT{$module}) {
        $text = "package $module; sub new { return bless {}, shift } 1;";
        # The cluster's file system, with no file in it.
        $text = "package $module; sub ipcc_send_rec { \$! = 2; return } 1;" if $module eq 'PVE::IPCC';
    } elsif ($module eq 'PVE::Cluster::IPCConst') {
        my $header = slurp("$REAL/pve-cluster/src/pmxcfs/cfs-ipc-ops.h");
        my %value = $header =~ /^#define (CFS_\w+) +(\d+)/mg;
        my $list = join(',', map { "$_ => $value{$_}" } keys %value);
        $text = "package $module; use base 'Exporter'; use constant { $list };"
            . " our \@EXPORT = qw(@{[keys %value]}); 1;";
    } elsif ($module eq 'PVE::Storage') {
        $text = slurp("$REAL/pve-storage/src/PVE/Storage.pm");
        $text =~ s{/usr/share/perl5/PVE/Storage/Custom}{$CUSTOM}g;
    } else {
        return;
    }
    open(my $handle, '<', \$text) or die "$module: $!\n";
    return $handle;
}

sub slurp {
    my ($path) = @_;
    open(my $handle, '<', $path) or die "$path: $!\n";
    local $/ = undef;
    return scalar(<$handle>);
}

# Loads PVE::Storage, the shim with it, and takes the place of what would reach outside: commands,
# the cluster's lock, the node's name.
sub entry {
    require PVE::Storage;
    no warnings qw(redefine once);
    for my $package ('PVE::Storage::LVMPlugin', $GATE) {
        no strict 'refs';
        *{"${package}::run_command"} = \&record_command;
    }
    *PVE::INotify::nodename = sub { return 'pveA' };
    *PVE::Storage::Plugin::cluster_lock_storage = sub { return $_[4]->() };
    @COMMANDS = ();
    %OUTPUT = (vgs => ['drbdvg:10737418240:4294967296:2']);
    delete $ENV{PVE_MIGRATED_FROM};
    my %content = (images => 1, rootdir => 1);
    return { type => 'drbdlvm', vgname => 'drbdvg', shared => 1, content => \%content };
}

sub record_command {
    my ($cmd, %param) = @_;

    my ($name) = $cmd->[0] =~ m{([^/]+)$};
    push @COMMANDS, join(' ', $name, @{$cmd}[1 .. $#{$cmd}]);
    $param{outfunc}->($_) for @{ $OUTPUT{$name} // [] };
    return 0;
}

# Runs $code as the worker of a task; PVE's workers carry it in $0. $WORKER tells them apart.
sub in_task {
    my ($type, $vmid, $code) = @_;
    local $0 = sprintf("task UPID:pveA:%08X:00069250:6B02BF51:$type:$vmid:root\@pam:", $WORKER);
    return $code->();
}

# What $code said: what it died of, and its lines on STDERR and STDOUT.
sub said_by {
    my ($code) = @_;

    my %said = (died => '', err => '', out => '', result => []);
    local $SIG{__WARN__} = sub { $said{err} .= $_[0] };
    open(local *STDOUT, '>', \$said{out}) or die "$!\n"; ## no critic (BarewordFile, RequireInit)
    eval { $said{result} = [$code->()]; 1 } or $said{died} = $@;
    return \%said;
}

# Runs Perl with taint checks as a process of its own, with the file as its STDIN.
sub run_perl {
    my ($stdin, @argv) = @_;

    my ($perl) = $^X =~ /^(.*)$/;
    open(my $in, '<', $stdin) or die "$stdin: $!\n";
    open(my $err, '+>', undef) or die "$!\n";
    my $pid = open3('<&' . fileno($in), my $out, '>&' . fileno($err), $perl, '-T', "-I$HERE/t/lib", map { /^(.*)$/s } @argv);
    local $/ = undef;
    my %run = (out => <$out> // '');
    waitpid($pid, 0);
    $run{exit} = $?;
    seek($err, 0, 0);
    $run{err} = <$err> // '';
    return \%run;
}

# Runs prepare() of PVE's migration for a guest whose volumes all lie on drbdvg.
sub migrate {
    my ($class, $scfg, %self) = @_;

    my $volids = delete($self{volids}) // ['drbdvg:vm-100-disk-0'];
    my $storecfg = { ids => { drbdvg => $scfg } };
    my $self = bless { node => 'pveB', vmid => 100, opts => {}, %self }, $class;
    if ($REAL) {
        require RealMigration;
        RealMigration::arrange($self, $storecfg, $volids);
    } else {
        require($class =~ /LXC/ ? 'PVE/LXC/Migrate.pm' : 'PVE/QemuMigrate.pm');
        @{$self}{qw(storecfg volids)} = ($storecfg, $volids);
    }
    my $type = $class =~ /LXC/ ? 'vzmigrate' : 'qmigrate';
    $WORKER++;
    return said_by(sub { in_task($type, 100, sub { $self->prepare(100) }) });
}

1;
