"""The rules for clients of services, as data: how the fake broker answers. Pure."""

from dataclasses import dataclass
from enum import Enum, auto

from hulak.clients.conform.rule import Rule

SERVICE, ACTION = "sums", "add"


class Answer(Enum):
    """How a call is answered; call n has the arguments `a` n and `b` n."""

    REPLY = auto()
    ERROR = auto()
    PARTS = auto()
    PARTS_TWICE = auto()  # the attempt failed after its first part, the next one begins again
    FOREIGN = auto()  # behind answers to others
    TWICE = auto()  # the second REPLY differs
    AFTER_RESTART = auto()  # the first request is lost with the broker


@dataclass(frozen=True)
class ClientRule(Rule):
    """A rule, and its scenario."""

    answer: Answer = Answer.REPLY
    count: int = 1  # calls


CLIENT_RULES = (
    ClientRule("reply", "4.1", "A REQUEST has id, service, action, args, options, and its REPLY is printed.", count=3),
    ClientRule("unique-ids", "4.1", "An id is used once, also in later runs of the program.", count=3, runs=2),
    ClientRule("error", "4.1", "An ERROR ends the call, and its code is printed.", answer=Answer.ERROR, count=2),
    ClientRule("parts", "4.1", "PARTs come before the one REPLY.", answer=Answer.PARTS, count=2),
    ClientRule("parts-again", "5.1", "A PART with number 1 discards the parts before it.", answer=Answer.PARTS_TWICE),
    ClientRule("foreign", "4.1", "Answers with the id of another request are ignored.", answer=Answer.FOREIGN),
    ClientRule("one-answer", "4.1", "A second answer to a call does not answer the next call.", answer=Answer.TWICE, count=2),
    ClientRule("repeats", "4.1", "After a reconnection the request is sent again, with its id.", answer=Answer.AFTER_RESTART),
)
