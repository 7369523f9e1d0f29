"""A trace leads from the acknowledged event to the message that was handed over."""

from tests.watching.collector import Taken
from tests.watching.conftest import BROKEN, GIVEN_TRACE, GOOD, REFUSED, Watched


def way(spans: list[Taken], last: Taken) -> list[str]:
    """The names of the spans that lead to one, from the first."""
    by_id = {span.id: span for span in spans}
    names = []
    step: Taken | None = last
    while step is not None:
        names.append(step.name)
        step = by_id.get(step.parent)
    return names[::-1]


def test_from_the_request_to_the_provider(watched: Watched) -> None:
    spans = watched.spans(GIVEN_TRACE)
    [delivery] = [span for span in spans if span.name == "deliver email"]
    assert way(spans, delivery) == ["POST /v1/track", "relay start", "send_message", "deliver email"]
    assert delivery.attributes["sojourn.outcome"] == "accepted"
    services = {span.name: span.service for span in spans}
    assert services["POST /v1/track"] == "sojourn-api"
    assert services["relay start"] == services["authorize_send"] == "sojourn-worker"


def test_what_a_journey_has_waited_for_leads_to_what_it_sends_then(watched: Watched) -> None:
    [heard] = [span for span in watched.collector.spans if span.name == "relay matched"]
    spans = watched.spans(heard.trace)
    assert heard.trace != GIVEN_TRACE
    [delivery] = [span for span in spans if span.name == "deliver email"]
    assert way(spans, delivery) == ["POST /v1/track", "relay matched", "send_message", "deliver email"]


def test_a_span_says_what_it_is_about_and_not_whom(watched: Watched) -> None:
    [start] = [span for span in watched.spans(GIVEN_TRACE) if span.name == "relay start"]
    assert start.attributes["sojourn.campaign"] == "welcome"
    assert len(start.attributes["sojourn.journey"]) == 12
    for user in (GOOD, REFUSED, BROKEN):
        assert user.encode() not in watched.collector.raw


def test_what_the_worker_does_by_itself_begins_no_trace(watched: Watched) -> None:
    begun = {span.service for span in watched.collector.spans if not span.parent}
    assert begun == {"sojourn-api"}
