%% A subscriber in Erlang that repairs its gaps: bus/PROTOCOL.md sections 3, 4.1 and 7.3.
%%
%%     apt-get install erlang-base erlang-crypto
%%     erlc hulak.erl msgpack.erl subscriber.erl
%%     erl -noinput -run subscriber main ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100
%%
%% Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps.
-module(subscriber).
-export([main/1]).

%% `expected` is the next sequence, 0 before the first; `remaining` ticks to print.
-record(state, {topic, dealer, remaining, expected = 0, epoch = 0}).

main([Publisher, Frontend, Name, Count]) ->
    Topic = list_to_binary(Name),
    Live = hulak:connect(<<"SUB">>, Publisher, [Topic, <<"heartbeat">>]),
    Dealer = hulak:connect(<<"DEALER">>, Frontend, []),
    run(Live, #state{topic = Topic, dealer = Dealer, remaining = list_to_integer(Count)}),
    halt(0).

run(_, #state{remaining = 0}) -> ok;
run(Live, State) ->
    receive
        {Live, {frame, Frame}} -> run(Live, take(hulak:open(Frame), State));
        _ -> run(Live, State) % up, down, and late answers
    end.

take({<<"heartbeat">>, _, _, Body}, #state{topic = Topic} = State) -> % reveals a lost last tick too
    #{<<"topics">> := Topics} = msgpack:unpack(Body),
    repair(maps:get(Topic, Topics, 0), State);
take({Topic, Epoch, Sequence, Body}, #state{topic = Topic, expected = Expected, epoch = Known} = State) when Epoch >= Known ->
    % numbers that the broker uses again, for other ticks, begin anew
    Anew = Expected =:= 0 orelse (Epoch > Known andalso Sequence < Expected),
    Next = if Anew -> Sequence; true -> Expected end,
    show(Sequence, Body, repair(Sequence - 1, State#state{expected = Next, epoch = Epoch}));
take(_, State) -> State.

%% A new tick is the next one, or the ticks before it are no longer available.
show(Sequence, Body, #state{remaining = Remaining, expected = Expected} = State) when Remaining > 0, Sequence >= Expected ->
    #{<<"bid">> := Bid, <<"ask">> := Ask} = msgpack:unpack(Body),
    io:format("~b ~w ~w~n", [Sequence, Bid, Ask]),
    State#state{expected = Sequence + 1, remaining = Remaining - 1};
show(_, _, State) -> State.

%% Requests all ticks up to `Last` again; live ticks wait meanwhile, and an overflow is the next gap.
repair(Last, #state{expected = Expected, remaining = Remaining, topic = Topic, dealer = Dealer} = State)
  when Expected > 0, Expected =< Last, Remaining > 0 ->
    Id = hulak:new_id(),
    Upto = min(Last, Expected + Remaining - 1),
    Args = #{<<"topic">> => Topic, <<"from">> => Expected, <<"to">> => Upto},
    hulak:send(Dealer, ["Q", msgpack:pack([Id, <<"hulak.replay">>, <<>>, Args, #{}])]),
    repair(Last, replayed(Id, Upto + 1, State));
repair(_, State) -> State.

%% Takes the answers to a request up to REPLY or ERROR; after a second without any it is repeated.
replayed(Id, Beyond, #state{dealer = Dealer} = State) ->
    receive
        {Dealer, {frame, <<Kind, Values/binary>>}} ->
            case {Kind, msgpack:unpack(Values)} of
                {$P, [Id, _, Rows]} -> replayed(Id, Beyond, lists:foldl(fun show_row/2, State, Rows));
                {$R, [Id, Value]} -> continue(maps:get(<<"next">>, Value), Beyond, State);
                {$E, [Id, Code, _, Details]} when Code =/= <<"BUSY">> ->
                    continue(maps:get(<<"oldest">>, Details, nil), Beyond, State);
                _ -> replayed(Id, Beyond, State) % of an earlier request, or BUSY: in a second again
            end
    after 1000 -> State
    end.

show_row([_, {bin, Frame}], State) ->
    {_, _, Sequence, Body} = hulak:open(Frame),
    show(Sequence, Body, State).

%% Nothing before `Further` is available.
continue(nil, Beyond, State) -> continue(Beyond, Beyond, State);
continue(Further, Beyond, #state{expected = Expected} = State) ->
    State#state{expected = max(Expected, min(Further, Beyond))}.
