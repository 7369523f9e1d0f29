"""The first message of a flow, where nothing before it decides."""

import pytest

from domain.campaign.plan import Branch, Delay, Exit, Node, Plan, Repeat, Send, WaitFor

SEND = Send("mail", "email", "note")


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ([SEND], SEND),
        ([Delay("rest", 60, "mail"), SEND], SEND),
        ([Repeat("again", "mail", 60), SEND], SEND),
        ([Repeat("again", "mail", 60, checks=True), SEND], None),
        # Its rounds come back to it, without a message.
        ([Repeat("again", "rest", 60), Delay("rest", 60, "again")], None),
        ([Branch("which", ("mail",)), SEND], None),
        ([WaitFor("wait", (), 60, "mail"), SEND], None),
        ([Exit("end", "over")], None),
        ([Delay("rest", 60)], None),
    ],
)
def test_the_first_message_is_found_where_nothing_before_it_decides(nodes: list[Node], found: Send | None) -> None:
    assert Plan(nodes[0].id, {node.id: node for node in nodes}).find_first_send() == found


def test_an_empty_flow_has_none() -> None:
    assert Plan(None, {}).find_first_send() is None
