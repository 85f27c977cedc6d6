%% What the programs in Erlang share: ZMTP 3.0 over gen_tcp (rfc.zeromq.org/spec/23), since there is no binding of ZeroMQ,
%% and the frames of bus/PROTOCOL.md sections 3.1 and 4.1.
-module(hulak).
-export([connect/3, send/2, close/1, open/1, new_id/0]).

-define(AGAIN_MS, 100).
-define(MOST_WAITING, 100_000). % messages of the owner; beyond it the broker drops ticks, which is the next gap

%% Starts a process that keeps a connection, and makes it again when it is lost. Its owner, the caller, receives
%% {Socket, up}, {Socket, down} and {Socket, {frame, Frame}}. What is sent before it is up waits.
connect(Type, Address, Topics) ->
    Owner = self(),
    spawn_link(fun() -> connecting(Owner, Type, endpoint(Address), Topics) end).

send(Socket, Frame) ->
    Socket ! {send, iolist_to_binary(Frame)},
    ok.

%% Ends the connection after everything was sent; waits for a second at most.
close(Socket) ->
    Socket ! close,
    receive {Socket, down} -> ok after 1000 -> ok end.

%% Opens a publication: topic NUL epoch sequence time_ns body.
open(Frame) ->
    [Topic, <<Epoch:64, Sequence:64, _Time:64, Body/binary>>] = binary:split(Frame, <<0>>),
    {Topic, Epoch, Sequence, Body}.

new_id() -> {bin, crypto:strong_rand_bytes(16)}. % unique also over time

endpoint("ipc://" ++ Path) -> {{local, Path}, 0, [local]};
endpoint("tcp://" ++ Rest) ->
    [Host, Port] = string:split(Rest, ":", trailing),
    {Host, list_to_integer(Port), [{nodelay, true}]}.

connecting(Owner, Type, {Host, Port, Options} = Endpoint, Topics) ->
    case gen_tcp:connect(Host, Port, [binary, {active, false} | Options]) of
        {ok, Tcp} ->
            try
                shake_hands(Tcp, Type),
                [write(Tcp, <<1, Topic/binary, 0>>) || Topic <- Topics], % without the NUL tick.EURUSDX matches too
                Owner ! {self(), up},
                connected(Owner, Tcp, <<>>)
            catch
                error:{badmatch, {error, _}} -> gen_tcp:close(Tcp) % the broker was killed
            end,
            Owner ! {self(), down};
        {error, _} -> ok
    end,
    timer:sleep(?AGAIN_MS),
    connecting(Owner, Type, Endpoint, Topics).

%% Greetings of 64 bytes with the mechanism NULL, then the command READY from either side.
shake_hands(Tcp, Type) ->
    ok = gen_tcp:send(Tcp, <<16#ff, 0:64, 16#7f, 3, 0, "NULL", 0:128, 0, 0:248>>),
    {ok, <<16#ff, _:64, 16#7f, Version, _, "NULL", _/binary>>} = gen_tcp:recv(Tcp, 64, 5000),
    true = Version >= 3,
    Ready = <<5, "READY", 11, "Socket-Type", (byte_size(Type)):32, Type/binary, 8, "Identity", 0:32>>,
    ok = gen_tcp:send(Tcp, <<4, (byte_size(Ready)), Ready/binary>>),
    {ok, <<4, Size>>} = gen_tcp:recv(Tcp, 2, 5000),
    {ok, <<5, "READY", _/binary>>} = gen_tcp:recv(Tcp, Size, 5000).

connected(Owner, Tcp, Unread) ->
    Rest = frames(Owner, Unread),
    {message_queue_len, Waiting} = process_info(Owner, message_queue_len),
    Full = Waiting >= ?MOST_WAITING,
    [ok = inet:setopts(Tcp, [{active, once}]) || not Full],
    receive
        {tcp, Tcp, Data} -> connected(Owner, Tcp, <<Rest/binary, Data/binary>>);
        {tcp_closed, Tcp} -> ok;
        {tcp_error, Tcp, _} -> ok;
        {send, Frame} -> write(Tcp, Frame), connected(Owner, Tcp, Rest);
        close -> gen_tcp:close(Tcp), Owner ! {self(), down}, exit(normal);
        _ -> connected(Owner, Tcp, Rest) % of the connection before
    after if Full -> 10; true -> infinity end -> connected(Owner, Tcp, Rest)
    end.

%% Gives all whole frames to the owner; returns what is left. Flags: a command (ignored), a long size, and more.
frames(Owner, <<_:5, Command:1, 0:1, _:1, Size, Frame:Size/binary, Rest/binary>>) -> give(Owner, Command, Frame, Rest);
frames(Owner, <<_:5, Command:1, 1:1, _:1, Size:64, Frame:Size/binary, Rest/binary>>) -> give(Owner, Command, Frame, Rest);
frames(_, Rest) -> Rest.

give(Owner, Command, Frame, Rest) ->
    [Owner ! {self(), {frame, Frame}} || Command =:= 0],
    frames(Owner, Rest).

write(Tcp, Frame) when byte_size(Frame) < 256 -> ok = gen_tcp:send(Tcp, <<0, (byte_size(Frame)), Frame/binary>>);
write(Tcp, Frame) -> ok = gen_tcp:send(Tcp, <<2, (byte_size(Frame)):64, Frame/binary>>).
