"""The search attributes of workflows in Temporal."""

from temporalio.common import SearchAttributeKey

CAMPAIGN = SearchAttributeKey.for_keyword("Campaign")
CAMPAIGN_VERSION = SearchAttributeKey.for_int("CampaignVersion")
USER_ID = SearchAttributeKey.for_keyword("UserId")
JOURNEY_STEP = SearchAttributeKey.for_keyword("JourneyStep")
JOURNEY_STATE = SearchAttributeKey.for_keyword("JourneyState")

# Name to type, as a server registers them.
TYPES = {
    CAMPAIGN.name: "Keyword",
    CAMPAIGN_VERSION.name: "Int",
    USER_ID.name: "Keyword",
    JOURNEY_STEP.name: "Keyword",
    JOURNEY_STATE.name: "Keyword",
}
