package FakeGate;

# A pve-drbd service for tests: a process behind a real Unix socket that behaves as it is told, one
# connection after the other, and passes on what it was asked.

use strict;
use warnings;

use File::Temp qw(tempdir);
use IO::Handle;
use IO::Socket::UNIX;
use JSON;
use POSIX ();
use Time::HiRes qw(sleep);

# $behave: the reply, as a hash or as text; or code that gets (connection, question, its number).
# Points the shim at the new socket until the object goes.
sub new {
    my ($class, $behave) = @_;

    my $self = bless { dir => tempdir(CLEANUP => 1), asked => [] }, $class;
    $self->{path} = "$self->{dir}/gate.sock";
    my $listener = IO::Socket::UNIX->new(Local => $self->{path}, Listen => 8)
        or die "$self->{path}: $!\n";
    pipe($self->{heard}, my $tell) or die "pipe: $!\n";
    $self->{heard}->blocking(0);
    $tell->autoflush(1);

    $self->{pid} = fork() // die "fork: $!\n";
    if (!$self->{pid}) {
        POSIX::setpgid(0, 0); # so that all of it can be ended
        local $SIG{PIPE} = 'IGNORE'; # askers give up while we answer
        my $number = 0;
        while (my $connection = $listener->accept()) {
            my $line = <$connection> // '';
            print {$tell} $line;
            act($behave, $connection, $line, $number++);
            close($connection);
        }
        POSIX::_exit(0);
    }
    close($listener);
    $PVE::Storage::Custom::DrbdLvmPlugin::SOCKET = $self->{path};
    return $self;
}

sub act {
    my ($behave, $connection, $line, $number) = @_;

    return $behave->($connection, JSON->new->utf8->decode($line), $number) if ref($behave) eq 'CODE';
    $behave = JSON->new->utf8->encode({ v => 1, %{$behave} }) . "\n" if ref($behave);
    return print {$connection} $behave;
}

sub path { return $_[0]->{path}; }

# All questions so far, as hashes.
sub asked {
    my ($self) = @_;
    my $heard = $self->{heard};
    push @{ $self->{asked} }, map { JSON->new->utf8->decode($_) } <$heard>;
    return @{ $self->{asked} };
}

# Those of one kind; `status` comes with nearly everything else.
sub asked_for {
    my ($self, $ask) = @_;
    return grep { $_->{ask} eq $ask } $self->asked();
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $!, $@) = ($?, $!, $@);
    return if !$self->{pid};
    POSIX::setpgid($self->{pid}, $self->{pid}); # if it has not come to it yet
    kill('KILL', -$self->{pid});
    waitpid($self->{pid}, 0);
    return;
}

1;
