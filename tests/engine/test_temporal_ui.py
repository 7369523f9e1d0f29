"""The state of a journey and its end, as the UI of Temporal shows them."""

from temporalio.api.sdk.v1 import WorkflowMetadata

from tests.engine.campaigns import CART, REACTION
from tests.harness import PATIENCE, Harness, actions, looks


async def test_the_temporal_ui_can_say_where_a_journey_is(harness: Harness) -> None:
    await harness.run_campaign(REACTION)
    await harness.identify("u-seen", email="u-seen@example.com")
    await harness.track("u-seen", "Signed Up")
    handle = await harness.journey("u-seen")
    await harness.messages.until(state="sent")
    listed = "JourneyStep = 'clicked' AND JourneyState = 'waiting' AND Campaign = 'reaction' AND UserId = 'u-seen'"
    assert await _listed(harness, listed) == [handle.id]
    metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    assert metadata.current_details.startswith("**Waiting** at `clicked` until ")
    assert "`hello` sent" in metadata.current_details
    assert await (await handle.describe()).static_summary() == "reaction, user u-seen"
    await harness.track("u-seen", "Link Clicked", {"kind": "good"})
    assert await handle.result() == "engaged"
    metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    assert metadata.current_details.startswith("**Over**: engaged\n")
    ended = "UserId = 'u-seen' AND JourneyStep = 'clicked' AND JourneyState = 'engaged'"
    assert await _listed(harness, ended) == [handle.id]


async def test_the_temporal_ui_can_say_how_a_journey_ended_for_an_action_unless_it_completed(harness: Harness) -> None:
    await harness.run_campaign(CART)
    handles = {}
    for user in ("bought", "waited"):
        await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Cart Abandoned", {"value": 120, "cart_id": user})
        handles[user] = await harness.journey(user)
    await harness.track("bought", "Order Completed", {"cart_id": "bought"})
    await harness.skip(handles["waited"], minutes=30)
    assert [await handle.result() for handle in handles.values()] == ["exited", "completed"]
    exits = "UserId = 'bought' AND JourneyState = 'exited' AND JourneyStep = 'cool-off'"
    assert await _listed(harness, exits) == [handles["bought"].id]
    completions = "UserId = 'waited' AND JourneyState = 'waiting' AND ExecutionStatus = 'Completed'"
    assert await _listed(harness, completions) == [handles["waited"].id]
    # Start, timer, signal and the end; start, timer, authorise and send.
    assert [actions(await handle.fetch_history()) for handle in handles.values()] == [4, 4]


async def _listed(harness: Harness, query: str) -> list[str]:
    """The ids that the index has, once it has any: it lags behind."""
    async for is_last in looks(PATIENCE):
        found = [execution.id async for execution in harness.temporal.list_workflows(query)]
        if found or is_last:
            return found
    raise AssertionError("there is a last look")
