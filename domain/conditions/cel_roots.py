"""The roots that expressions can see, their fields and types, and their scopes."""

from enum import StrEnum

from cel_expr_python import cel

from domain.people.computed.definition import TraitType

_Data = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
# The checker allows only comparisons with a text or null.
NULLABLE_TEXT = cel.Type("google.protobuf.StringValue")
_EVENT = {
    "message_id": cel.Type.STRING,
    "type": cel.Type.STRING,
    "name": NULLABLE_TEXT,
    "user_id": NULLABLE_TEXT,
    "anonymous_id": NULLABLE_TEXT,
    "group_id": NULLABLE_TEXT,
    "properties": _Data,
    "context": _Data,
    "timestamp": cel.Type.TIMESTAMP,
}
ROOTS: dict[str, dict[str, cel.Type]] = {
    "event": _EVENT,
    "entry": _EVENT,
    "profile": {
        "user_id": NULLABLE_TEXT,
        "traits": _Data,
        "consent": _Data,
        "consent_given": _Data,
        "stage": NULLABLE_TEXT,
        # Set by hand, whatever the life cycle says.
        "stated_stage": NULLABLE_TEXT,
        "created_at": cel.Type.TIMESTAMP,
        "first_seen": cel.Type.TIMESTAMP,
        "last_seen": cel.Type.TIMESTAMP,
        "sessions": cel.Type.INT,
        "locale": NULLABLE_TEXT,
        "timezone": NULLABLE_TEXT,
        "app_version": NULLABLE_TEXT,
        "country": NULLABLE_TEXT,
        "region": NULLABLE_TEXT,
        "first_referrer": NULLABLE_TEXT,
        "last_referrer": NULLABLE_TEXT,
        "first_campaign": _Data,
        "last_campaign": _Data,
        "segments": cel.Type.List(cel.Type.STRING),
        "subscriptions": cel.Type.Map(cel.Type.STRING, cel.Type.List(cel.Type.STRING)),
        "devices": cel.Type.List(_Data),
    },
    # The account that the event names, else the person's latest.
    "account": {"id": NULLABLE_TEXT, "role": NULLABLE_TEXT, "traits": _Data},
    "journey": {
        "arms": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
        "steps": cel.Type.Map(cel.Type.STRING, cel.Type.INT),
        "messages": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
        "clicks": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
        "answers": _Data,
        "saved": _Data,
        "entered_at": cel.Type.TIMESTAMP,
    },
}
VARIABLES: dict[str, cel.Type] = {
    f"{root}.{field}": kind for root, fields in ROOTS.items() for field, kind in fields.items()
}
NULLABLE = frozenset(variable for variable, kind in VARIABLES.items() if kind == NULLABLE_TEXT)
# The computed traits of a person: each is a variable of its own, whose type the deployment's document knows.
COMPUTED = "profile.computed"
COMPUTED_TYPES: dict[TraitType, cel.Type] = {
    "int": cel.Type.INT,
    # For authors there is one kind of number; the least of no events is null.
    "double": cel.Type("google.protobuf.Int64Value"),
    "timestamp": cel.Type.TIMESTAMP,
    "bool": cel.Type.BOOL,
    "counts": cel.Type.Map(cel.Type.STRING, cel.Type.INT),
    "dyn": cel.Type.DYN,
}
# The keys of the segments that a person belongs to.
SEGMENTS = "profile.segments"
# By channel, the topics that a person is subscribed to.
SUBSCRIPTIONS = "profile.subscriptions"
# The devices of a person, which only the conditions of segments are given.
DEVICES = "profile.devices"
# The stage of a person: the judged one once a life cycle is applied, else the stated one.
STAGE_VARIABLE = "profile.stage"
# The stage that was set by hand.
STATED_STAGE_VARIABLE = "profile.stated_stage"
# Data of unknown shape, as JSON has it.
JSON = frozenset(variable for variable, kind in VARIABLES.items() if kind == _Data)


class ExpressionScope(StrEnum):
    """The place of an expression in a campaign, which decides what it can see."""

    ENTRY_WHERE = "entry.where"
    ENTRY_KEY = "entry.key"
    AUDIENCE_WHERE = "entry.audience.where"
    EXIT_WHERE = "exit.where"
    WAIT_WHERE = "wait_for.where"
    BRANCH_WHEN = "branch.when"
    DELAY_DATE = "delay.date"
    VALUE = "cel"
    COMPUTED = "computed"
    SEGMENT_WHERE = "segment.where"


VISIBLE: dict[ExpressionScope, tuple[str, ...]] = {
    ExpressionScope.ENTRY_WHERE: ("event", "profile", "account"),
    ExpressionScope.ENTRY_KEY: ("event", "profile"),
    ExpressionScope.AUDIENCE_WHERE: ("profile", "account"),
    ExpressionScope.EXIT_WHERE: ("event", "entry", "profile", "account"),
    ExpressionScope.WAIT_WHERE: ("event", "entry", "profile", "account"),
    ExpressionScope.BRANCH_WHEN: ("profile", "account", "entry", "journey"),
    ExpressionScope.DELAY_DATE: ("profile", "account", "entry"),
    ExpressionScope.VALUE: ("profile", "account", "entry", "journey"),
    # A computed trait sees the event alone, so that it does not depend on when the event is counted.
    ExpressionScope.COMPUTED: ("event",),
    ExpressionScope.SEGMENT_WHERE: ("profile", "account"),
}
