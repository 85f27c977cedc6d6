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
function state = show(state, sequence, body)
  if state.remaining == 0 || sequence < state.expected
    return
  end
  tick = unpacked(body, 1);
  printf("%lu %s %s\n", sequence, shown(tick.bid), shown(tick.ask));
  fflush(stdout);
  state.expected = sequence + 1;
  state.remaining -= 1;
end

% Takes the answers to a request up to REPLY or ERROR; without any for a second it is repeated.
function state = replayed(state, id, beyond)
  while ! isempty(frame = received(state.dealer, 1000))
    [kind, values] = message(frame);
    if ! isequal(values{1}, id) || (kind == "E" && strcmp(values{2}, "BUSY"))
      continue % of an earlier request, or BUSY: in a second again
    end
    if kind == "P"
      for row = values{3}
        [~, ~, sequence, body] = opened(row{1}{2});
        state = show(state, sequence, body);
      end
      continue
    end % else REPLY or ERROR: nothing before `further` is available
    further = [];
    if kind == "R"
      further = values{2}.next;
    elseif isfield(values{4}, "oldest")
      further = values{4}.oldest;
    end
    state.expected = max(state.expected, min([uint64(further) beyond]));
    return
  end
end

% Requests all ticks up to `last` again; live ticks wait meanwhile, and an overflow is the next gap.
function state = repair(state, last)
  while state.expected > 0 && state.expected <= last && state.remaining > 0
    id = new_id();
    upto = min(last, state.expected + state.remaining - 1);
    args = struct("topic", state.topic, "from", state.expected, "to", upto);
    send(state.dealer, "Q", id, "hulak.replay", "", args, struct());
    state = replayed(state, id, upto + 1);
  end
end

[publisher, frontend, topic, count] = argv(){:};
live = connected(ZMQ_SUB, publisher, {topic, "heartbeat"});
state = struct("topic", topic, "dealer", connected(ZMQ_DEALER, frontend, {}));
state.remaining = str2double(count); % ticks to print
state.expected = uint64(0); % the next sequence; 0 before the first
state.epoch = 0;

while state.remaining > 0
  frame = received(live, 1000);
  if isempty(frame)
    continue
  end
  [name, epoch, sequence, body] = opened(frame);
  if strcmp(name, "heartbeat") % reveals a lost last tick too
    topics = unpacked(body, 1).topics;
    if isfield(topics, topic)
      state = repair(state, uint64(topics.(topic)));
    end
  elseif strcmp(name, topic) && epoch >= state.epoch
    % numbers that the broker uses again, for other ticks, begin anew
    if state.expected == 0 || (epoch > state.epoch && sequence < state.expected)
      state.expected = sequence;
    end
    state.epoch = epoch;
    state = show(repair(state, sequence - 1), sequence, body);
  end
end
