% Calls of an action in Octave: bus/PROTOCOL.md section 4.
%
%     apt-get install octave octave-zeromq
%     octave-cli call.m ipc://$run/frontend.ipc sums add 3
%
% Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.
here = fileparts(mfilename("fullpath"));
source(fullfile(here, "msgpack.m"));
source(fullfile(here, "hulak.m"));

% Returns the kind of the last answer, its value or code, and the parts.
function [kind, value, parts] = called(dealer, service, action, args)
  again_ms = 1000; % without an answer the request is sent again, under its id: the broker joins it with the one in progress
  give_up_s = 60;
  id = new_id();
  parts = {};
  deadline = time() + give_up_s;
  while time() < deadline
    send(dealer, "Q", id, service, action, args, struct("timeout_ms", give_up_s * 1000));
    while ! isempty(frame = received(dealer, again_ms))
      [kind, values] = message(frame);
      if ! isequal(values{1}, id)
        continue % of an earlier call, or nil
      end
      if kind != "P"
        value = values{2};
        return
      end
      if values{2} == 1
        parts = {}; % another attempt sends its parts from the first one on
      end
      parts{end + 1} = values{3};
    end
  end
  kind = "E";
  value = "NO_ANSWER";
end

[frontend, service, action, count] = argv(){:};
dealer = connected(ZMQ_DEALER, frontend, {});
for n = 1:str2double(count)
  [kind, value, parts] = called(dealer, service, action, struct("a", n, "b", n));
  cellfun(@(part) printf("part %s\n", shown(part)), parts);
  words = struct("R", "reply", "E", "error");
  printf("%s %s\n", words.(kind), shown(value));
  fflush(stdout);
end
