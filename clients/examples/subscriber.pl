# A subscriber in Perl that repairs its gaps: bus/PROTOCOL.md sections 3, 4.1 and 7.3.
#
#     apt-get install libzmq-ffi-perl libdata-messagepack-perl
#     perl subscriber.pl ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100
#
# Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps.
use strict;
use warnings;
use Data::MessagePack;
use List::Util qw(max min);
use Time::HiRes qw(sleep time);
use ZMQ::FFI;
use ZMQ::FFI::Constants qw(ZMQ_DEALER ZMQ_RCVHWM ZMQ_SNDHWM ZMQ_SUB);

my $text = Data::MessagePack->new->utf8(1); # a packer has one kind of strings: this one packs str,
my $bytes = Data::MessagePack->new; # this one reads strings as bytes
my ($publisher, $frontend, $topic, $remaining) = @ARGV;
my ($expected, $known) = (0, 0); # the next sequence, 0 before the first; the epoch
my $context = ZMQ::FFI->new;
my ($live, $dealer) = ($context->socket(ZMQ_SUB), $context->socket(ZMQ_DEALER));
$live->set(ZMQ_RCVHWM, "int", 100_000); # libzmq's default of 1,000 is less than a burst
$live->set(ZMQ_SNDHWM, "int", 0); # or libzmq drops subscriptions beyond 1,000
$live->subscribe("$_\0") for $topic, "heartbeat"; # without the NUL, tick.EURUSDX would match too
$live->connect($publisher);
$dealer->connect($frontend);
open my $random, "<:raw", "/dev/urandom" or die "no /dev/urandom: $!";
$| = 1;

# topic NUL epoch sequence time_ns body
sub opened {
    my ($name, $rest) = split /\0/, shift, 2;
    return ($name, unpack("Q>Q>", $rest), substr($rest, 24));
}

# An answer, or nothing after a second.
sub answer {
    my $until = time + 1;
    until ($dealer->has_pollin) {
        return if time > $until;
        sleep 0.002;
    }
    return $dealer->recv;
}

# A new tick is the next one, or the ticks before it are no longer available.
sub show {
    my ($epoch, $sequence, $body) = @_;
    return if !$remaining || $sequence < $expected || $epoch > $known;
    my $tick = $bytes->unpack($body);
    print "$sequence $tick->{bid} $tick->{ask}\n";
    ($expected, $remaining) = ($sequence + 1, $remaining - 1);
}

# Requests ticks again; returns the number behind the last one that is answered, and [epoch, sequence, body] of each.
sub replay {
    my ($first, $last, @ticks) = @_;
    while (1) {
        read $random, my $id, 16;
        my $args = { topic => $topic, from => $first, to => $last };
        # the id by hand, as bin: the packer would make text of it
        $dealer->send("Q\x95\xc4\x10$id" . join "", map { $text->pack($_) } "hulak.replay", "", $args, {});
        while (defined(my $frame = answer())) {
            my $kind = substr $frame, 0, 1;
            my ($answered, @values) = @{ $bytes->unpack(substr $frame, 1) };
            next if !defined $answered || $answered ne $id || ($kind eq "E" && $values[0] eq "BUSY");
            my $further = ($kind eq "R" ? $values[0]{next} : $kind eq "E" ? $values[2]{oldest} : 0) // $last + 1;
            return min($further, $last + 1), @ticks if $kind ne "P"; # nothing before it is available
            push @ticks, map { [(opened($_->[1]))[1 .. 3]] } @{ $values[1] };
        }
    }
}

# Prints all missing ticks up to `last`; live ticks wait meanwhile, and an overflow is the next gap.
sub repair {
    my ($epoch, $last) = @_;
    if ($epoch > $known) { # it may use numbers again for other ticks: the first of them is expected
        $expected = min($expected, $last + 1);
        $expected-- while $known && $expected > 1 && ((replay($expected - 1, $expected - 1))[1] // [0])->[0] > $known;
        $known = $epoch;
    }
    while ($expected <= $last && $remaining) {
        my ($further, @ticks) = replay($expected, min($last, $expected + $remaining - 1));
        show(@$_) for @ticks;
        $expected = max($expected, $further);
    }
}

while ($remaining) {
    my ($name, $epoch, $sequence, $body) = opened($live->recv);
    if ($name eq "heartbeat") { # reveals a lost last tick too
        my $last = $bytes->unpack($body)->{topics}{$topic};
        repair($epoch, $last) if $last && $expected && $epoch >= $known;
    } elsif ($name eq $topic && $epoch >= $known) {
        $expected ||= $sequence;
        repair($epoch, $sequence - 1);
        show($epoch, $sequence, $body);
    }
}
