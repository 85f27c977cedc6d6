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
show <- function(sequence, frame, at) {
  if (remaining == 0 || sequence < expected) return(invisible())
  tick <- unpacked(frame, at)
  cat(sprintf("%.0f %s %s\n", sequence, number(tick[["bid"]]), number(tick[["ask"]])))
  flush(stdout())
  expected <<- sequence + 1
  remaining <<- remaining - 1
}

# Takes the answers to a request up to REPLY or ERROR. Returns the first number that is available, at most `beyond`;
# NULL after a second without an answer, also after BUSY: in a second again.
replayed <- function(id, beyond) {
  while (!is.null(frame <- received(dealer, 1000))) {
    values <- unpacked(frame, 2)
    kind <- kind_of(frame)
    if (!identical(values[[1]], id) || (kind == "E" && values[[2]] == "BUSY")) next
    if (kind == "P") {
      for (row in values[[3]]) {
        tick <- opened(row[[2]])
        show(tick$sequence, row[[2]], tick$at)
      }
    } else {
      return(min(beyond, if (kind == "R") values[[2]][["next"]] else values[[4]][["oldest"]]))
    }
  }
}

# Requests all ticks up to `last` again; live ticks wait meanwhile, and an overflow is the next gap.
repair <- function(last) {
  while (expected > 0 && expected <= last && remaining > 0) {
    id <- new_id()
    upto <- min(last, expected + remaining - 1)
    send(dealer, "Q", id, "hulak.replay", "", list(topic = topic, from = expected, to = upto), list())
    expected <<- max(expected, replayed(id, upto + 1))
  }
}

while (remaining > 0) {
  if (is.null(frame <- received(live, 1000))) next
  message <- opened(frame)
  if (message$topic == "heartbeat") { # reveals a lost last tick too
    repair(max(0, unpacked(frame, message$at)[["topics"]][[topic]]))
  } else if (message$topic == topic && message$epoch >= epoch) {
    # numbers that the broker uses again, for other ticks, begin anew
    again <- message$epoch > epoch && message$sequence < expected
    if (expected == 0 || again) expected <- message$sequence
    epoch <- message$epoch
    repair(message$sequence - 1)
    show(message$sequence, frame, message$at)
  }
}
