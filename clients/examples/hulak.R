# What the programs in R share: the part of msgpack that they need, and the frames of bus/PROTOCOL.md sections 3.1 and 4.1.
# R has no 64-bit integers: numbers are doubles, exact up to 2^53.
suppressMessages(library(pbdZMQ))

CONTEXT <- zmq.ctx.new()

# --- Reading msgpack: the next value begins at reader$at of the raw vector reader$bytes. ---
bytes_of <- function(reader, size) {
  force(size) # it may be read from the same reader: before reader$at is used
  from <- reader$at
  if (from + size - 1 > length(reader$bytes)) stop("the msgpack is cut short")
  reader$at <- from + size
  reader$bytes[from - 1 + seq_len(size)]
}
unsigned <- function(reader, size) sum(as.integer(bytes_of(reader, size)) * 256^((size - 1):0))
signed <- function(reader, size) {
  value <- unsigned(reader, size)
  if (value < 2^(8 * size - 1)) value else value - 2^(8 * size)
}
float <- function(reader, size) readBin(bytes_of(reader, size), "double", 1, size, endian = "big")
text <- function(reader, size) {
  bytes <- bytes_of(reader, size)
  value <- rawToChar(bytes[bytes != 0]) # R's texts hold no NUL
  Encoding(value) <- "UTF-8"
  value
}
array <- function(reader, size) lapply(seq_len(size), function(n) value_of(reader))
map <- function(reader, size) {
  values <- vector("list", size)
  for (n in seq_len(size)) {
    names(values)[n] <- value_of(reader)
    value <- value_of(reader)
    if (!is.null(value)) values[[n]] <- value
  }
  values
}
value_of <- function(reader) {
  tag <- unsigned(reader, 1)
  sized <- function(read, width) read(reader, unsigned(reader, width))
  extension <- function(reader, size) bytes_of(reader, size + 1) # and one byte for its type
  if (tag < 0x80) return(tag)
  if (tag < 0x90) return(map(reader, tag - 0x80))
  if (tag < 0xa0) return(array(reader, tag - 0x90))
  if (tag < 0xc0) return(text(reader, tag - 0xa0))
  if (tag >= 0xe0) return(tag - 256)
  switch(tag - 0xbf, # from 0xc0 on
    NULL, NULL, FALSE, TRUE, sized(bytes_of, 1), sized(bytes_of, 2), sized(bytes_of, 4),
    sized(extension, 1), sized(extension, 2), sized(extension, 4), float(reader, 4), float(reader, 8),
    unsigned(reader, 1), unsigned(reader, 2), unsigned(reader, 4), unsigned(reader, 8),
    signed(reader, 1), signed(reader, 2), signed(reader, 4), signed(reader, 8),
    extension(reader, 1), extension(reader, 2), extension(reader, 4), extension(reader, 8), extension(reader, 16),
    sized(text, 1), sized(text, 2), sized(text, 4), sized(array, 2), sized(array, 4), sized(map, 2), sized(map, 4))
}
unpacked <- function(bytes, at = 1) value_of(list2env(list(bytes = bytes, at = at)))

# --- Writing msgpack: raw as bin, a list with names as a map, one without as an array. ---
packed <- function(value) {
  if (is.null(value)) return(as.raw(0xc0))
  if (is.raw(value)) return(c(as.raw(0xc4), as.raw(length(value)), value))
  if (is.logical(value)) return(as.raw(if (value) 0xc3 else 0xc2))
  if (is.character(value)) return(c(as.raw(0xda), size_of(nchar(value, "bytes")), charToRaw(enc2utf8(value))))
  if (is.list(value)) {
    keys <- lapply(names(value), packed) # of an array none
    tag <- as.raw(if (length(keys)) 0xde else 0xdc)
    items <- unlist(if (length(keys)) rbind(keys, lapply(value, packed)) else lapply(value, packed))
    return(c(tag, size_of(length(value)), items))
  }
  if (value != trunc(value) || abs(value) >= 2^53) return(c(as.raw(0xcb), writeBin(as.double(value), raw(), endian = "big")))
  high <- floor(value / 2^32) # 64 bits in two's complement; 2^31 is no integer of R
  halves <- c(high, value - high * 2^32)
  c(as.raw(0xd3), writeBin(as.integer(ifelse(halves < 2^31, halves, halves - 2^32)), raw(), endian = "big"))
}
size_of <- function(size) as.raw(c(size %/% 256, size %% 256)) # 2 bytes

# --- The bus ---
connected <- function(type, address, linger = 0L) {
  socket <- zmq.socket(CONTEXT, type)
  zmq.setsockopt(socket, ZMQ.SO()$LINGER, linger)
  zmq.setsockopt(socket, ZMQ.SO()$RCVHWM, 100000L) # libzmq's default of 1,000 is less than a burst
  zmq.setsockopt(socket, ZMQ.SO()$SNDHWM, 0L) # or libzmq drops subscriptions beyond 1,000
  zmq.connect(socket, address)
  socket
}
received <- function(socket, wait_ms) { # a frame; NULL after the time limit
  zmq.poll(c(socket), c(ZMQ.PO()$POLLIN), as.integer(wait_ms))
  if (bitwAnd(zmq.poll.get.revents(1), ZMQ.PO()$POLLIN)) zmq.msg.recv(socket, unserialize = FALSE)
}
send <- function(socket, kind, ...) zmq.send(socket, c(charToRaw(kind), packed(list(...))))
kind_of <- function(frame) rawToChar(frame[1])
new_id <- function() readBin("/dev/urandom", "raw", 16) # unique also over time
opened <- function(frame) { # topic NUL epoch sequence time_ns body; the body begins at `at`
  cut <- match(as.raw(0), frame)
  stamp <- list2env(list(bytes = frame, at = cut + 1))
  topic <- rawToChar(frame[seq_len(cut - 1)])
  list(topic = topic, epoch = unsigned(stamp, 8), sequence = unsigned(stamp, 8), frame = frame, at = cut + 25)
}
