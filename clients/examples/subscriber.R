# A subscriber in R that repairs its gaps: bus/PROTOCOL.md sections 3, 4.1 and 7.3.
#
#     apt-get install r-base-core r-cran-pbdzmq
#     Rscript subscriber.R ipc://$run/publisher.ipc ipc://$run/frontend.ipc tick.EURUSD 100
#
# Prints `sequence bid ask` of COUNT ticks: in order, without duplicates or gaps.
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
source(file.path(here, "hulak.R"))

arguments <- commandArgs(TRUE)
topic <- arguments[3]
remaining <- as.numeric(arguments[4]) # ticks to print
expected <- 0 # the next sequence; 0 before the first
epoch <- 0

# R's texts hold no NUL, without which tick.EURUSDX would match too: so an XSUB, whose subscriptions are messages
live <- connected(ZMQ.ST()$XSUB, arguments[1])
for (name in c(topic, "heartbeat")) zmq.send(live, c(as.raw(1), charToRaw(name), as.raw(0)))
dealer <- connected(ZMQ.ST()$DEALER, arguments[2])

number <- function(value) if (is.null(value)) "nil" else sprintf("%.17g", value)

# A new tick is the next one, or the ticks before it are no longer available.
show <- function(tick) {
  if (remaining == 0 || tick$sequence < expected || tick$epoch > epoch) return(invisible())
  body <- unpacked(tick$frame, tick$at)
  cat(sprintf("%.0f %s %s\n", tick$sequence, number(body[["bid"]]), number(body[["ask"]])))
  flush(stdout())
  expected <<- tick$sequence + 1
  remaining <<- remaining - 1
}

# The answers to a request up to REPLY or ERROR: the ticks, and the number behind the last one that is answered;
# NULL after a second without an answer, also after BUSY: in a second again.
answered <- function(id, last) {
  ticks <- list()
  while (!is.null(frame <- received(dealer, 1000))) {
    values <- unpacked(frame, 2)
    kind <- kind_of(frame)
    if (!identical(values[[1]], id) || (kind == "E" && values[[2]] == "BUSY")) next
    if (kind == "P") {
      ticks <- c(ticks, lapply(values[[3]], function(row) opened(row[[2]])))
      next
    } # else nothing before `further` is available
    further <- if (kind == "R") values[[2]][["next"]] else values[[4]][["oldest"]]
    return(list(ticks = ticks, further = min(further, last + 1)))
  }
}

# Requests ticks again.
replay <- function(first, last) {
  repeat {
    id <- new_id()
    send(dealer, "Q", id, "hulak.replay", "", list(topic = topic, from = first, to = last), list())
    if (!is.null(answer <- answered(id, last))) return(answer)
  }
}

used_again <- function(sequence) any(vapply(replay(sequence, sequence)$ticks, function(tick) tick$epoch > epoch, TRUE))

# Prints all missing ticks up to `last`; live ticks wait meanwhile, and an overflow is the next gap.
repair <- function(seen, last) {
  if (seen > epoch) { # it may use numbers again for other ticks: the first of them is expected
    expected <<- min(expected, last + 1)
    while (epoch > 0 && expected > 1 && used_again(expected - 1)) expected <<- expected - 1
    epoch <<- seen
  }
  while (expected <= last && remaining > 0) {
    answer <- replay(expected, min(last, expected + remaining - 1))
    for (tick in answer$ticks) show(tick)
    expected <<- max(expected, answer$further)
  }
}

while (remaining > 0) {
  if (is.null(frame <- received(live, 1000))) next
  message <- opened(frame)
  if (message$epoch < epoch) next # of a broker that is no more
  if (message$topic == "heartbeat") { # reveals a lost last tick too
    last <- unpacked(frame, message$at)[["topics"]][[topic]]
    if (!is.null(last) && expected > 0) repair(message$epoch, last)
  } else if (message$topic == topic) {
    if (expected == 0) expected <- message$sequence
    repair(message$epoch, message$sequence - 1)
    show(message)
  }
}
