# A worker in R: bus/PROTOCOL.md section 5. It serves the action `add` of a service, until it is retired.
#
#     apt-get install r-base-core r-cran-pbdzmq
#     Rscript worker.R ipc://$run/backend.ipc sums
#
# With an argument `ms` the sum takes that long: a long task that is held, while the worker sends heartbeats.
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
source(file.path(here, "hulak.R"))

BEAT_S <- 0.25

arguments <- commandArgs(TRUE)
name <- paste0("r/", Sys.getpid(), "/", paste(readBin("/dev/urandom", "raw", 3), collapse = "")) # another one after each start
held <- list() # tasks in progress, or with a result that was not sent: id, attempt, due (s), done, value
epoch <- NULL
known <- FALSE
retired <- FALSE
socket <- connected(ZMQ.ST()$DEALER, arguments[1], linger = 1000L)

now <- function() proc.time()[["elapsed"]]
names_of_held <- function() lapply(held, function(task) list(task$id, task$attempt))
ready <- function() send(socket, "Y", arguments[2], name, if (retired) 0 else 1, names_of_held(), list(pid = Sys.getpid()))

take <- function(kind, values) {
  if (kind == "H") {
    known <<- values[[2]] && (is.null(epoch) || epoch == values[[1]])
    epoch <<- values[[1]]
    if (!known) ready() # the broker's answer shows that it knows the worker
  } else if (kind == "T" && !retired) { # else the broker gives it to another worker
    args <- values[[4]]
    task <- list(id = values[[1]], attempt = values[[2]], due = now(), done = values[[3]] == "add")
    if (task$done) {
      task$due <- task$due + sum(args[["ms"]]) / 1000
      task$value <- args[["a"]] + args[["b"]]
    } else {
      task$value <- list(code = "UNKNOWN_ACTION", text = paste("action", values[[3]], "is unknown, must be add"))
    }
    held <<- c(held, list(task))
  } else if (kind == "X") {
    retired <<- TRUE
  }
}

# Sends the results that are due, if the broker knows the worker.
finish <- function() {
  due <- vapply(held, function(task) known && task$due <= now(), logical(1))
  for (task in held[due]) send(socket, "R", task$id, task$attempt, task$done, task$value)
  held <<- held[!due]
}

ready()
beat_at <- now()
while (!retired || length(held)) {
  if (!is.null(frame <- received(socket, 10))) take(kind_of(frame), unpacked(frame, 2))
  finish()
  if (now() >= beat_at) {
    send(socket, "H", names_of_held(), NULL)
    beat_at <- now() + BEAT_S
  }
}
send(socket, "G", "retired")
zmq.close(socket)
zmq.ctx.destroy(CONTEXT) # waits for LINGER, until all messages are sent
