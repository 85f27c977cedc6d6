# Calls of an action in R: bus/PROTOCOL.md section 4.
#
#     apt-get install r-base-core r-cran-pbdzmq
#     Rscript call.R ipc://$run/frontend.ipc sums add 3
#
# Call N of COUNT has the arguments a N and b N. Prints `part VALUE`, then `reply VALUE` or `error CODE` of each.
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE)))
source(file.path(here, "hulak.R"))

AGAIN_MS <- 1000 # without an answer the request is sent again, under its id: the broker joins it with the one in progress
GIVE_UP_S <- 60

now <- function() proc.time()[["elapsed"]]

# Returns the kind of the last answer, its value or code, and the parts.
call <- function(dealer, service, action, args) {
  id <- new_id()
  parts <- list()
  deadline <- now() + GIVE_UP_S
  while (now() < deadline) {
    send(dealer, "Q", id, service, action, args, list(timeout_ms = GIVE_UP_S * 1000))
    while (!is.null(frame <- received(dealer, AGAIN_MS))) {
      values <- unpacked(frame, 2)
      if (!identical(values[[1]], id)) next # of an earlier call, or nil
      if (kind_of(frame) != "P") return(list(kind = kind_of(frame), value = values[[2]], parts = parts))
      if (values[[2]] == 1) parts <- list() # another attempt sends its parts from the first one on
      parts <- c(parts, values[3])
    }
  }
  list(kind = "E", value = "NO_ANSWER", parts = parts)
}

shown <- function(value) if (is.numeric(value)) sprintf("%.17g", value) else format(value)

arguments <- commandArgs(TRUE)
dealer <- connected(ZMQ.ST()$DEALER, arguments[1])
for (n in seq_len(as.integer(arguments[4]))) {
  outcome <- call(dealer, arguments[2], arguments[3], list(a = n, b = n))
  for (part in outcome$parts) cat("part ", shown(part), "\n", sep = "")
  cat(if (outcome$kind == "R") "reply " else "error ", shown(outcome$value), "\n", sep = "")
  flush(stdout())
}
