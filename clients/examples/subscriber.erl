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

take({_, Epoch, _, _}, #state{epoch = Known} = State) when Epoch < Known -> State; % of a broker that is no more
take({<<"heartbeat">>, Epoch, _, Body}, #state{topic = Topic, expected = Expected} = State) when Expected > 0 ->
    #{<<"topics">> := Topics} = msgpack:unpack(Body), % they reveal a lost last tick too
    case Topics of
        #{Topic := Last} -> missing(Last, go_back(Epoch, Last + 1, State));
        _ -> State
    end;
take({Topic, Epoch, Sequence, Body}, #state{topic = Topic, expected = 0} = State) ->
    show({Topic, Epoch, Sequence, Body}, State#state{expected = Sequence, epoch = Epoch});
take({Topic, Epoch, Sequence, _} = Tick, #state{topic = Topic} = State) ->
    show(Tick, missing(Sequence - 1, go_back(Epoch, Sequence, State)));
take(_, State) -> State.

%% A new tick is the next one, or the ticks before it are no longer available.
show({_, Epoch, Sequence, Body}, #state{remaining = Remaining, expected = Expected, epoch = Known} = State)
  when Remaining > 0, Sequence >= Expected, Epoch =< Known ->
    #{<<"bid">> := Bid, <<"ask">> := Ask} = msgpack:unpack(Body),
    io:format("~b ~w ~w~n", [Sequence, Bid, Ask]),
    State#state{expected = Sequence + 1, remaining = Remaining - 1};
show(_, State) -> State.

%% A larger epoch, with numbers below `Upto`, may use numbers again for other ticks: the first of them is expected.
go_back(Epoch, _, #state{epoch = Epoch} = State) -> State;
go_back(Epoch, Upto, #state{expected = Expected, epoch = Known} = State) when Expected > Upto; Expected =:= 1 ->
    go_back(Epoch, Upto, State#state{expected = min(Expected, Upto), epoch = if Expected =:= 1 -> Epoch; true -> Known end});
go_back(Epoch, Upto, #state{expected = Expected, epoch = Known} = State) ->
    {Ticks, _} = replay(Expected - 1, Expected - 1, State),
    case [Tick || {_, Newer, _, _} = Tick <- Ticks, Newer > Known] of
        [] -> State#state{epoch = Epoch};
        _ -> go_back(Epoch, Upto, State#state{expected = Expected - 1})
    end.

%% Prints all missing ticks up to `Last`; live ticks wait meanwhile, and an overflow is the next gap.
missing(Last, #state{expected = Expected, remaining = Remaining} = State) when Expected =< Last, Remaining > 0 ->
    {Ticks, Further} = replay(Expected, min(Last, Expected + Remaining - 1), State),
    Shown = lists:foldl(fun show/2, State, Ticks),
    missing(Last, Shown#state{expected = max(Shown#state.expected, Further)});
missing(_, State) -> State.

%% Requests ticks again; returns them, and the number behind the last one that is answered.
replay(First, Last, #state{topic = Topic, dealer = Dealer} = State) ->
    Id = hulak:new_id(),
    Args = #{<<"topic">> => Topic, <<"from">> => First, <<"to">> => Last},
    hulak:send(Dealer, ["Q", msgpack:pack([Id, <<"hulak.replay">>, <<>>, Args, #{}])]),
    case answered(Dealer, Id, []) of
        {Ticks, nil} -> {Ticks, Last + 1};
        {Ticks, Further} -> {Ticks, min(Further, Last + 1)}; % nothing before it is available
        none -> replay(First, Last, State) % within a second, or BUSY
    end.

answered(Dealer, Id, Ticks) ->
    receive
        {Dealer, {frame, <<Kind, Values/binary>>}} ->
            case {Kind, msgpack:unpack(Values)} of
                {$P, [Id, _, Rows]} -> answered(Dealer, Id, Ticks ++ [hulak:open(Frame) || [_, {bin, Frame}] <- Rows]);
                {$R, [Id, Value]} -> {Ticks, maps:get(<<"next">>, Value)};
                {$E, [Id, Code, _, Details]} when Code =/= <<"BUSY">> -> {Ticks, maps:get(<<"oldest">>, Details, nil)};
                _ -> answered(Dealer, Id, Ticks) % of an earlier request, or BUSY: in a second again
            end
    after 1000 -> none
    end.
