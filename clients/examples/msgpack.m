% msgpack for the programs in Octave: msgpack.org. Whole numbers are int64 (uint64 from 2^63 on), bytes are uint8,
% maps structs, arrays cells, and nil is []. Keys that are no text are left out.
1; % a file of functions

% Reads the value that begins at bytes(at). Returns the position behind it.
function [value, at] = unpacked(bytes, at)
  tag = double(bytes(at++));
  if tag < 128
    value = int64(tag);
  elseif tag < 144
    [value, at] = map_of(bytes, at, tag - 128);
  elseif tag < 160
    [value, at] = array_of(bytes, at, tag - 144);
  elseif tag < 192
    [value, at] = chunk(bytes, at, tag - 160);
    value = char(value);
  elseif tag >= 224
    value = int64(tag - 256);
  elseif tag == 192
    value = [];
  elseif tag == 194 || tag == 195
    value = tag == 195;
  elseif tag >= 212 && tag <= 216 % an extension too
    [value, at] = chunk(bytes, at, 2 ^ (tag - 212) + 1);
  else % a number, or the size of what follows
    kinds = {"uint8", "uint16", "uint32", "uint8", "uint16", "uint32", "single", "double", "uint8", "uint16", "uint32", "uint64", ...
      "int8", "int16", "int32", "int64", "", "", "", "", "", "uint8", "uint16", "uint32", "uint16", "uint32", "uint16", "uint32"};
    widths = [1 2 4 1 2 4 4 8 1 2 4 8 1 2 4 8 0 0 0 0 0 1 2 4 2 4 2 4];
    width = widths(tag - 195);
    number = typecast(bytes(at + width - 1:-1:at), kinds{tag - 195}); % this machine's order of bytes is the other one
    at += width;
    if tag <= 198
      [value, at] = chunk(bytes, at, double(number));
    elseif tag <= 201 % an extension, behind its type
      [value, at] = chunk(bytes, at, double(number) + 1);
    elseif tag <= 203
      value = double(number);
    elseif tag == 207 && number > intmax("int64")
      value = number;
    elseif tag <= 211
      value = int64(number);
    elseif tag <= 219
      [value, at] = chunk(bytes, at, double(number));
      value = char(value);
    elseif tag <= 221
      [value, at] = array_of(bytes, at, double(number));
    else
      [value, at] = map_of(bytes, at, double(number));
    end
  end
end

function [value, at] = chunk(bytes, at, size)
  value = bytes(at:at + size - 1);
  at += size;
end

function [value, at] = array_of(bytes, at, size)
  value = cell(1, size);
  for n = 1:size
    [value{n}, at] = unpacked(bytes, at);
  end
end

function [value, at] = map_of(bytes, at, size)
  value = struct();
  for n = 1:size
    [key, at] = unpacked(bytes, at);
    [item, at] = unpacked(bytes, at);
    if ischar(key)
      value.(key) = item;
    end
  end
end

function bytes = packed(value)
  be = @(number, kind) fliplr(typecast(cast(number, kind), "uint8"));
  if ischar(value)
    bytes = [uint8(219) be(numel(value), "uint32") uint8(value)];
  elseif isstruct(value)
    pairs = cellfun(@(key) [packed(key) packed(value.(key))], fieldnames(value)', "UniformOutput", false);
    bytes = [uint8(223) be(numel(pairs), "uint32") pairs{:}];
  elseif iscell(value)
    items = cellfun(@packed, value, "UniformOutput", false);
    bytes = [uint8(221) be(numel(items), "uint32") items{:}];
  elseif isa(value, "uint8") % bytes, such as an id
    bytes = [uint8([196 numel(value)]) value];
  elseif isempty(value)
    bytes = uint8(192);
  elseif islogical(value)
    bytes = uint8(194 + value);
  elseif isa(value, "uint64")
    bytes = [uint8(207) be(value, "uint64")];
  elseif value == fix(value) && abs(value) < 2 ^ 63
    bytes = [uint8(211) be(value, "int64")];
  else
    bytes = [uint8(203) be(value, "double")];
  end
end
