"""What a member of an account may have left between the grant and the claim."""

from domain.campaign.plan import Send, SendMembers
from domain.sending.claim import find_departure

TO_OWNERS = SendMembers(id="ask", channel="email", template="ask", role="owner")


def test_only_members_with_the_role_get_a_message_to_a_role() -> None:
    assert find_departure("acme", TO_OWNERS, is_member=True, role="owner") is None
    left_role = find_departure("acme", TO_OWNERS, is_member=True, role="admin")
    assert left_role == "the person no longer has the role owner in the account"
    left_account = find_departure("acme", TO_OWNERS, is_member=False, role=None)
    assert left_account == "the person is no longer a member of the account"


def test_a_message_to_one_member_asks_for_no_role() -> None:
    to_one = Send(id="ask", channel="email", template="ask")
    assert find_departure("acme", to_one, is_member=True, role="admin") is None
    assert find_departure("acme", to_one, is_member=False, role=None) is not None


def test_the_person_of_a_journey_of_their_own_leaves_nothing() -> None:
    assert find_departure(None, TO_OWNERS, is_member=False, role=None) is None
