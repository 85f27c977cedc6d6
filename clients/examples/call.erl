%% Calls of an action in Erlang: bus/PROTOCOL.md section 4.
%%
%%     apt-get install erlang-base erlang-crypto
%%     erlc hulak.erl msgpack.erl call.erl
%%     erl -noinput -run call main ipc://$run/frontend.ipc sums add 3
%%
%% Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.
-module(call).
-export([main/1]).

-define(AGAIN_MS, 1000). % without an answer the request is sent again, under its id: the broker joins the two
-define(GIVE_UP_S, 60).

main([Frontend, Service, Action, Count]) ->
    Dealer = hulak:connect(<<"DEALER">>, Frontend, []),
    Show = fun(N) ->
        {Kind, Value, Parts} = call(Dealer, list_to_binary(Service), list_to_binary(Action), #{<<"a">> => N, <<"b">> => N}),
        [io:format("part ~ts~n", [text(Part)]) || Part <- Parts],
        io:format("~s ~ts~n", [case Kind of $R -> "reply"; $E -> "error" end, text(Value)])
    end,
    lists:foreach(Show, lists:seq(1, list_to_integer(Count))),
    halt(0).

text(Value) when is_binary(Value) -> Value;
text(Value) -> io_lib:format("~tw", [Value]).

%% Returns the kind of the last answer, its value or code, and the parts.
call(Dealer, Service, Action, Args) ->
    Id = hulak:new_id(),
    Request = ["Q", msgpack:pack([Id, Service, Action, Args, #{<<"timeout_ms">> => ?GIVE_UP_S * 1000}])],
    hulak:send(Dealer, Request),
    answered(Dealer, Id, Request, ?GIVE_UP_S * 1000 div ?AGAIN_MS, []).

answered(_, _, _, 0, Parts) -> {$E, <<"NO_ANSWER">>, lists:reverse(Parts)};
answered(Dealer, Id, Request, Attempts, Parts) ->
    receive
        {Dealer, {frame, <<Kind, Values/binary>>}} ->
            case {Kind, msgpack:unpack(Values)} of
                {$P, [Id, 1, Value]} -> % another attempt sends its parts from the first one on
                    answered(Dealer, Id, Request, Attempts, [Value]);
                {$P, [Id, _, Value]} -> answered(Dealer, Id, Request, Attempts, [Value | Parts]);
                {_, [Id, Value | _]} -> {Kind, Value, lists:reverse(Parts)};
                _ -> answered(Dealer, Id, Request, Attempts, Parts) % of an earlier call
            end;
        {Dealer, _} -> answered(Dealer, Id, Request, Attempts, Parts) % up or down
    after ?AGAIN_MS ->
        hulak:send(Dealer, Request),
        answered(Dealer, Id, Request, Attempts - 1, Parts)
    end.
