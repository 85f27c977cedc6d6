% What the programs in Octave share: sockets, and the frames of bus/PROTOCOL.md sections 3.1 and 4.1.
1; % a file of functions
pkg load zeromq

% A connected socket. This binding cannot set high-water marks: libzmq's 1,000 messages are what a burst may have.
function socket = connected(type, address, topics)
  socket = zmq_socket(type);
  for topic = topics
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, [topic{1} "\0"]); % without the NUL tick.EURUSDX matches too
  end
  zmq_connect(socket, address);
end

% The next frame; [] after the time limit, in ms.
function frame = received(socket, wait_ms)
  frame = [];
  if zmq_poll(socket, wait_ms)
    frame = zmq_recv(socket, 2 ^ 25, ZMQ_DONTWAIT); % a longer one would be cut
  end
end

% A message of frontend or backend: its kind and its values.
function [kind, values] = message(frame)
  kind = char(frame(1));
  values = unpacked(frame, 2);
end

function send(socket, kind, varargin)
  zmq_send(socket, [uint8(kind) packed(varargin)]);
end

function id = new_id()
  file = fopen("/dev/urandom");
  id = uint8(fread(file, 16)'); % unique also over time
  fclose(file);
end

% Opens a publication: topic NUL epoch sequence time_ns body.
function [topic, epoch, sequence, body] = opened(frame)
  cut = find(frame == 0, 1);
  topic = char(frame(1:cut - 1));
  epoch = typecast(frame(cut + 8:-1:cut + 1), "uint64"); % big-endian
  sequence = typecast(frame(cut + 16:-1:cut + 9), "uint64");
  body = frame(cut + 25:end);
end

% A value as text: a number as exactly as it came.
function text = shown(value)
  if isempty(value)
    text = "nil";
  elseif isfloat(value)
    text = sprintf("%.17g", value);
  else
    text = disp(value)(1:end - 1);
  end
end
