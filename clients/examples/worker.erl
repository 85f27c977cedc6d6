%% A worker in Erlang: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
%%
%%     apt-get install erlang-base erlang-crypto
%%     erlc hulak.erl msgpack.erl worker.erl
%%     erl -noinput -run worker main ipc://$run/backend.ipc sums
%%
%% With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.
-module(worker).
-export([main/1]).

-define(BEAT_MS, 250).

%% `held` are tasks in progress, or with a result that was not sent: a map from the id to {attempt, due, done, value}.
-record(state, {socket, service, name, held = #{}, epoch = none, up = false, known = false, retired = false}).

main([Backend, Service]) ->
    Name = io_lib:format("erlang/~s/~b", [os:getpid(), erlang:system_time()]), % another one after each start
    Socket = hulak:connect(<<"DEALER">>, Backend, []),
    {ok, _} = timer:send_interval(?BEAT_MS, beat),
    run(#state{socket = Socket, service = list_to_binary(Service), name = iolist_to_binary(Name)}),
    halt(0).

run(#state{retired = true, held = Held, socket = Socket}) when map_size(Held) =:= 0 ->
    hulak:send(Socket, ["G", msgpack:pack([<<"retired">>])]),
    hulak:close(Socket);
run(#state{socket = Socket} = State) ->
    receive
        {Socket, up} -> run(ready(State#state{up = true}));
        {Socket, down} -> run(State#state{up = false, known = false}); % results wait until the broker knows the worker again
        {Socket, {frame, <<Kind, Values/binary>>}} -> run(finish(take(Kind, msgpack:unpack(Values), State)));
        due -> run(finish(State));
        beat -> run(beat(State))
    end.

say(#state{socket = Socket}, Kind, Values) -> hulak:send(Socket, [Kind, msgpack:pack(Values)]).

names(#state{held = Held}) -> [[Id, Attempt] || {Id, {Attempt, _, _, _}} <- maps:to_list(Held)].

ready(#state{service = Service, name = Name, retired = Retired} = State) ->
    say(State, "Y", [Service, Name, if Retired -> 0; true -> 1 end, names(State), #{}]),
    State.

beat(#state{up = Up} = State) ->
    [say(State, "H", [names(State), nil]) || Up],
    State.

take($H, [Epoch, Known], #state{epoch = Before} = State) ->
    case Known andalso (Before =:= none orelse Before =:= Epoch) of
        true -> State#state{epoch = Epoch, known = true};
        false -> ready(State#state{epoch = Epoch, known = false}) % the broker's answer shows that it knows the worker
    end;
take($T, [Id, Attempt, Action, Args | _], #state{held = Held, retired = false} = State) ->
    {Ms, Done, Value} = carry_out(Action, Args),
    erlang:send_after(Ms, self(), due),
    State#state{held = Held#{Id => {Attempt, now_ms() + Ms, Done, Value}}};
take($X, _, State) -> State#state{retired = true};
take(_, _, State) -> State. % a task for a worker that leaves: the broker gives it to another one

carry_out(<<"add">>, #{<<"a">> := A, <<"b">> := B} = Args) -> {round(maps:get(<<"ms">>, Args, 0)), true, A + B};
carry_out(Action, _) ->
    Text = <<"action ", Action/binary, " is unknown, must be add">>,
    {0, false, #{<<"code">> => <<"UNKNOWN_ACTION">>, <<"text">> => Text}}.

now_ms() -> erlang:monotonic_time(millisecond).

%% Sends the results that are due, if the broker knows the worker.
finish(#state{known = false} = State) -> State;
finish(#state{held = Held} = State) ->
    Now = now_ms(),
    Due = maps:filter(fun(_, {_, At, _, _}) -> At =< Now end, Held),
    [say(State, "R", [Id, Attempt, Done, Value]) || {Id, {Attempt, _, Done, Value}} <- maps:to_list(Due)],
    State#state{held = maps:without(maps:keys(Due), Held)}.
