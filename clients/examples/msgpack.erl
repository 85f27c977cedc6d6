%% The part of msgpack that the programs in Erlang need: msgpack.org. Text is a binary, bytes are {bin, Binary}.
-module(msgpack).
-export([pack/1, unpack/1]).

pack(nil) -> <<16#c0>>;
pack(false) -> <<16#c2>>;
pack(true) -> <<16#c3>>;
pack(Number) when is_float(Number) -> <<16#cb, Number/float>>;
pack(Number) when is_integer(Number), Number < 0 -> <<16#d3, Number:64>>;
pack(Number) when is_integer(Number) -> <<16#cf, Number:64>>;
pack(Text) when is_binary(Text) -> <<16#db, (byte_size(Text)):32, Text/binary>>;
pack({bin, Bytes}) -> <<16#c4, (byte_size(Bytes)), Bytes/binary>>;
pack(Items) when is_list(Items) -> iolist_to_binary([<<16#dd, (length(Items)):32>> | [pack(Item) || Item <- Items]]);
pack(Map) when is_map(Map) ->
    Pairs = [[pack(Key), pack(Value)] || {Key, Value} <- maps:to_list(Map)],
    iolist_to_binary([<<16#df, (map_size(Map)):32>> | Pairs]).

unpack(Bytes) ->
    {Value, <<>>} = next(Bytes),
    Value.

next(<<0:1, N:7, R/binary>>) -> {N, R};
next(<<8:4, N:4, R/binary>>) -> map(N, R, #{});
next(<<9:4, N:4, R/binary>>) -> array(N, R, []);
next(<<5:3, N:5, Text:N/binary, R/binary>>) -> {Text, R};
next(<<7:3, N:5, R/binary>>) -> {N - 32, R};
next(<<16#c0, R/binary>>) -> {nil, R};
next(<<16#c2, R/binary>>) -> {false, R};
next(<<16#c3, R/binary>>) -> {true, R};
next(<<16#c4, N, Bytes:N/binary, R/binary>>) -> {{bin, Bytes}, R};
next(<<16#c5, N:16, Bytes:N/binary, R/binary>>) -> {{bin, Bytes}, R};
next(<<16#c6, N:32, Bytes:N/binary, R/binary>>) -> {{bin, Bytes}, R};
next(<<16#c7, N, Type, Bytes:N/binary, R/binary>>) -> {{extension, Type, Bytes}, R};
next(<<16#c8, N:16, Type, Bytes:N/binary, R/binary>>) -> {{extension, Type, Bytes}, R};
next(<<16#c9, N:32, Type, Bytes:N/binary, R/binary>>) -> {{extension, Type, Bytes}, R};
next(<<16#ca, Number:32/float, R/binary>>) -> {Number, R};
next(<<16#ca, _:32, R/binary>>) -> {not_finite, R}; % Erlang's floats have neither NaN nor infinity
next(<<16#cb, Number:64/float, R/binary>>) -> {Number, R};
next(<<16#cb, _:64, R/binary>>) -> {not_finite, R};
next(<<16#cc, N, R/binary>>) -> {N, R};
next(<<16#cd, N:16, R/binary>>) -> {N, R};
next(<<16#ce, N:32, R/binary>>) -> {N, R};
next(<<16#cf, N:64, R/binary>>) -> {N, R};
next(<<16#d0, N:8/signed, R/binary>>) -> {N, R};
next(<<16#d1, N:16/signed, R/binary>>) -> {N, R};
next(<<16#d2, N:32/signed, R/binary>>) -> {N, R};
next(<<16#d3, N:64/signed, R/binary>>) -> {N, R};
next(<<Tag, Type, R/binary>>) when Tag >= 16#d4, Tag =< 16#d8 ->
    Size = 1 bsl (Tag - 16#d4),
    <<Bytes:Size/binary, Rest/binary>> = R,
    {{extension, Type, Bytes}, Rest};
next(<<16#d9, N, Text:N/binary, R/binary>>) -> {Text, R};
next(<<16#da, N:16, Text:N/binary, R/binary>>) -> {Text, R};
next(<<16#db, N:32, Text:N/binary, R/binary>>) -> {Text, R};
next(<<16#dc, N:16, R/binary>>) -> array(N, R, []);
next(<<16#dd, N:32, R/binary>>) -> array(N, R, []);
next(<<16#de, N:16, R/binary>>) -> map(N, R, #{});
next(<<16#df, N:32, R/binary>>) -> map(N, R, #{}).

array(0, R, Items) -> {lists:reverse(Items), R};
array(N, R, Items) ->
    {Item, Rest} = next(R),
    array(N - 1, Rest, [Item | Items]).

map(0, R, Pairs) -> {Pairs, R};
map(N, R, Pairs) ->
    {Key, Behind} = next(R),
    {Value, Rest} = next(Behind),
    map(N - 1, Rest, Pairs#{Key => Value}).
