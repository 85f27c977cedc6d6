% A worker in Octave: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
%
%     apt-get install octave octave-zeromq
%     octave-cli worker.m ipc://$run/backend.ipc sums
%
% With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.
here = fileparts(mfilename("fullpath"));
source(fullfile(here, "msgpack.m"));
source(fullfile(here, "hulak.m"));

function names = names_of(held)
  names = cellfun(@(task) {task.id, task.attempt}, held, "UniformOutput", false);
end

function ready(worker)
  info = struct("pid", getpid());
  send(worker.socket, "Y", worker.service, worker.name, double(! worker.retired), names_of(worker.held), info);
end

function worker = take(worker, kind, values)
  switch kind
    case "H"
      same = isempty(worker.epoch) || worker.epoch == values{1};
      worker.known = values{2} && same;
      worker.epoch = values{1};
      if ! worker.known
        ready(worker); % the broker's answer shows that it knows the worker
      end
    case "T"
      if ! worker.retired % else the broker gives it to another worker
        worker.held{end + 1} = begun(values{:});
      end
    case "X"
      worker.retired = true;
  end
end

function task = begun(id, attempt, action, args, varargin)
  task = struct("id", id, "attempt", attempt, "due", time(), "done", strcmp(action, "add"));
  if ! task.done
    task.value = struct("code", "UNKNOWN_ACTION", "text", ["action " action " is unknown, must be add"]);
    return
  end
  task.value = args.a + args.b;
  if isfield(args, "ms")
    task.due += double(args.ms) / 1000;
  end
end

% Sends the results that are due, if the broker knows the worker.
function worker = finish(worker)
  due = cellfun(@(task) worker.known && task.due <= time(), worker.held);
  for task = worker.held(due)
    send(worker.socket, "R", task{1}.id, task{1}.attempt, task{1}.done, task{1}.value);
  end
  worker.held = worker.held(! due);
end

beat_s = 0.25;
[backend, service] = argv(){:};
worker = struct("service", service, "epoch", [], "known", false, "retired", false);
worker.socket = connected(ZMQ_DEALER, backend, {});
worker.name = sprintf("octave/%d/%s", getpid(), sprintf("%02x", new_id()(1:3))); % another one after each start
worker.held = {}; % tasks in progress, or with a result that was not sent
ready(worker);
beat_at = time();
while ! worker.retired || ! isempty(worker.held)
  frame = received(worker.socket, 10);
  if ! isempty(frame)
    [kind, values] = message(frame);
    worker = take(worker, kind, values);
  end
  worker = finish(worker);
  if time() >= beat_at
    send(worker.socket, "H", names_of(worker.held), []);
    beat_at = time() + beat_s;
  end
end
send(worker.socket, "G", "retired");
pause(0.5); % this binding does not wait for the last messages when the program ends
