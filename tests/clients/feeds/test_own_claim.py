"""When the claim of own topics has failed: a living owner, and refusals that would come again; not a crashed owner."""

import pytest

from hulak.bus.wire.messages import Error
from hulak.clients.feeds.own_claim import OwnClaim


def not_yours(silent_ms):
    return Error(None, "NOT_YOURS", "it is owned", {"silent_ms": silent_ms})


def test_an_owner_that_claims_again_and_again_has_the_name():
    claim = OwnClaim()
    for now in (0.0, 0.25, 0.5, 0.75):
        claim.refused(not_yours(100), now)
        assert claim.error is None
    claim.refused(not_yours(100), 1.0)
    assert (claim.error.code, str(claim.error), claim.error.details) == ("NOT_YOURS", "it is owned", {"silent_ms": 100})


def test_a_crashed_owner_is_waited_for_until_its_name_is_free():
    claim = OwnClaim()
    for tenths in range(47):
        claim.refused(not_yours(300 + tenths * 100), tenths / 10)
    claim.accepted()
    claim.refused(not_yours(100), 5.0)
    assert claim.error is None


@pytest.mark.parametrize("code", ["BAD_ARGUMENT", "FORBIDDEN"])
def test_a_refusal_that_would_come_again_counts_at_once(code):
    claim = OwnClaim()
    claim.refused(Error(None, code, "no"), 0.0)
    assert claim.error.code == code


def test_other_errors_of_the_broker_pass():
    claim = OwnClaim()
    for now in (0.0, 60.0):
        claim.refused(Error(None, "BUSY", "later"), now)
    assert claim.error is None
