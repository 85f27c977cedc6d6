# A worker in Perl: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
#
#     apt-get install libzmq-ffi-perl libdata-messagepack-perl
#     perl worker.pl ipc://$run/backend.ipc sums
#
# With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.
use strict;
use warnings;
use Data::MessagePack;
use Time::HiRes qw(sleep time);
use ZMQ::FFI;
use ZMQ::FFI::Constants qw(ZMQ_DEALER);

use constant BEAT_S => 0.25;

my $text = Data::MessagePack->new->utf8(1); # a packer has one kind of strings: this one packs str,
my $bytes = Data::MessagePack->new; # this one reads strings as bytes
my ($backend, $service) = @ARGV;
my $name = "perl/$$/" . int(rand(1_000_000)); # another name after each start
my (@held, $epoch, $known, $retired); # held: [id, attempt, due, done, value]
my $context = ZMQ::FFI->new;
my $socket = $context->socket(ZMQ_DEALER);
$socket->set_linger(1000);
$socket->connect($backend);

# Packs an array of packed values: its ids are packed by hand, as bin, since the packer would make text of them.
sub array { return pack("Cn", 0xdc, scalar @_) . join "", @_ }
sub id { return "\xc4\x10" . shift }
sub packed { return map { $text->pack($_) } @_ }
sub names { return array(map { array(id($_->[0]), packed($_->[1])) } @held) } # also of results that were not sent

sub ready {
    $socket->send("Y" . array(packed($service, $name, $retired ? 0 : 1), names(), packed({ pid => $$ })));
}

sub begin_task {
    my ($id, $attempt, $action, $args) = @_;
    return if $retired; # the broker gives it to another worker
    my $fault = { code => "UNKNOWN_ACTION", text => "action $action is unknown, must be add" };
    push @held, $action eq "add"
        ? [$id, $attempt, time + ($args->{ms} // 0) / 1000, Data::MessagePack::true(), $args->{a} + $args->{b}]
        : [$id, $attempt, time, Data::MessagePack::false(), $fault];
}

sub take {
    my ($kind, @values) = @_;
    if ($kind eq "H") {
        my ($seen, $is_known) = @values;
        my $again = !$is_known || (defined $epoch && $epoch != $seen);
        ready() if $again;
        $known = !$again; # until the broker has answered READY
        $epoch = $seen;
    } elsif ($kind eq "T") {
        begin_task(@values);
    } elsif ($kind eq "X") {
        $retired = 1;
    }
}

# Sends the results that are due, if the broker knows the worker.
sub finish {
    return if !$known;
    my $now = time;
    for my $task (grep { $_->[2] <= $now } @held) {
        my ($id, $attempt, undef, $done, $value) = @$task;
        $socket->send("R" . array(id($id), packed($attempt, $done, $value)));
    }
    @held = grep { $_->[2] > $now } @held;
}

ready();
my $beat_at = 0;
until ($retired && !@held) {
    while ($socket->has_pollin) {
        my $frame = $socket->recv;
        take(substr($frame, 0, 1), @{ $bytes->unpack(substr $frame, 1) });
    }
    finish();
    if (time >= $beat_at) {
        $socket->send("H" . array(names(), packed(undef)));
        $beat_at = time + BEAT_S;
    }
    sleep 0.005;
}
$socket->send("G" . array(packed("retired")));
