% A subscriber in Octave that repairs its gaps: bus/PROTOCOL.md sections 3, 4.1 and 7.3.
%
%     apt-get install octave octave-zeromq
%     octave-cli subscriber.m ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100
%
% Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps.
here = fileparts(mfilename("fullpath"));
source(fullfile(here, "msgpack.m"));
source(fullfile(here, "hulak.m"));

% A new tick is the next one, or the ticks before it are no longer available.
function state = show(state, epoch, sequence, body)
  if state.remaining == 0 || sequence < state.expected || epoch > state.epoch
    return
  end
  tick = unpacked(body, 1);
  printf("%lu %s %s\n", sequence, shown(tick.bid), shown(tick.ask));
  fflush(stdout);
  state.expected = sequence + 1;
  state.remaining -= 1;
end

% Requests ticks again. Returns epoch, sequence and body of each, and the number behind the last one that is answered.
function [ticks, further] = replay(state, first, last)
  while true
    ticks = {};
    id = new_id();
    send(state.dealer, "Q", id, "hulak.replay", "", struct("topic", state.topic, "from", first, "to", last), struct());
    while ! isempty(frame = received(state.dealer, 1000))
      [kind, values] = message(frame);
      if ! isequal(values{1}, id) || (kind == "E" && strcmp(values{2}, "BUSY"))
        continue % of an earlier request, or BUSY: in a second again
      end
      if kind != "P" % REPLY or ERROR: nothing before `further` is available
        further = last + 1;
        if kind == "R"
          further = min([uint64(values{2}.next) further]);
        elseif isfield(values{4}, "oldest")
          further = min(uint64(values{4}.oldest), further);
        end
        return
      end
      for row = values{3}
        [~, epoch, sequence, body] = opened(row{1}{2});
        ticks{end + 1} = {epoch, sequence, body};
      end
    end
  end
end

% Prints all missing ticks up to `last`; live ticks wait meanwhile, and an overflow is the next gap.
function state = repair(state, epoch, last)
  if epoch > state.epoch % it may use numbers again for other ticks: the first of them is expected
    state.expected = min(state.expected, last + 1);
    newer = @(number) any(cellfun(@(tick) tick{1} > state.epoch, replay(state, number, number)));
    while state.epoch > 0 && state.expected > 1 && newer(state.expected - 1)
      state.expected -= 1;
    end
    state.epoch = epoch;
  end
  while state.expected <= last && state.remaining > 0
    [ticks, further] = replay(state, state.expected, min(last, state.expected + state.remaining - 1));
    for tick = ticks
      state = show(state, tick{1}{:});
    end
    state.expected = max(state.expected, further);
  end
end

[publisher, frontend, topic, count] = argv(){:};
live = connected(ZMQ_SUB, publisher, {topic, "heartbeat"});
state = struct("topic", topic, "dealer", connected(ZMQ_DEALER, frontend, {}), "remaining", str2double(count));
state.expected = state.epoch = uint64(0); % the next sequence, 0 before the first
while state.remaining > 0
  frame = received(live, 1000);
  if isempty(frame)
    continue
  end
  [name, epoch, sequence, body] = opened(frame);
  if strcmp(name, "heartbeat") && state.expected > 0 && epoch >= state.epoch
    topics = unpacked(body, 1).topics; % they reveal a lost last tick too
    if isfield(topics, topic)
      state = repair(state, epoch, uint64(topics.(topic)));
    end
  elseif strcmp(name, topic) && epoch >= state.epoch
    if state.expected == 0
      state.expected = sequence;
    end
    state = show(repair(state, epoch, sequence - 1), epoch, sequence, body);
  end
end
