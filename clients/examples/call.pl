# Calls of an action in Perl: bus/PROTOCOL.md section 4.
#
#     apt-get install libzmq-ffi-perl libdata-messagepack-perl
#     perl call.pl ipc://$run/frontend.ipc sums add 3
#
# Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.
use strict;
use warnings;
use Data::MessagePack;
use Time::HiRes qw(sleep time);
use ZMQ::FFI;
use ZMQ::FFI::Constants qw(ZMQ_DEALER);

use constant { AGAIN_S => 1, GIVE_UP_S => 60 }; # without an answer the request is sent again, under its id

my $text = Data::MessagePack->new->utf8(1); # a packer has one kind of strings: this one packs str,
my $bytes = Data::MessagePack->new; # this one reads strings as bytes
my ($frontend, $service, $action, $count) = @ARGV;
my $context = ZMQ::FFI->new;
my $dealer = $context->socket(ZMQ_DEALER);
$dealer->set_linger(0);
$dealer->connect($frontend);
open my $random, "<:raw", "/dev/urandom" or die "no /dev/urandom: $!";
$| = 1;

# An answer, or nothing after a second.
sub answer {
    my $until = time + AGAIN_S;
    until ($dealer->has_pollin) {
        return if time > $until;
        sleep 0.002;
    }
    return $dealer->recv;
}

# Returns the kind of the last answer, its value or code, and the parts.
sub call {
    my ($args) = @_;
    read $random, my $id, 16;
    my $options = { timeout_ms => GIVE_UP_S * 1000 };
    # the id by hand, as bin: the packer would make text of it
    my $request = "Q\x95\xc4\x10$id" . join "", map { $text->pack($_) } $service, $action, $args, $options;
    my ($until, @parts) = (time + GIVE_UP_S);
    while (time < $until) {
        $dealer->send($request);
        while (defined(my $frame = answer())) {
            my $kind = substr $frame, 0, 1;
            my ($answered, @values) = @{ $bytes->unpack(substr $frame, 1) };
            next if !defined $answered || $answered ne $id; # of an earlier call
            return ($kind, $values[0], @parts) if $kind ne "P";
            @parts = () if $values[0] == 1; # another attempt sends its parts from the first one on
            push @parts, $values[1];
        }
    }
    return ("E", "NO_ANSWER", @parts);
}

for my $n (1 .. $count) {
    my ($kind, $value, @parts) = call({ a => $n, b => $n });
    print "part $_\n" for @parts;
    print $kind eq "R" ? "reply $value\n" : "error $value\n";
}
