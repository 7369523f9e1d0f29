"""What is measured, beside which floor, and what would be good: the one source of the table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. All bounds that are given must hold.

    `least` and `most` bound the figure divided by its floor, `more` what it has over it, `below` and `above` the figure
    itself.
    """

    key: str
    what: str
    floor: str
    unit: str
    least: float | None = None
    most: float | None = None
    more: float | None = None
    below: float | None = None
    above: float | None = None

    @property
    def goal(self) -> str:
        """The bounds in words."""
        said = [
            f"at least {self.least:g} of the floor" if self.least is not None else "",
            f"at most {self.most:g} times the floor" if self.most is not None else "",
            f"at most {self.more:g} more" if self.more is not None else "",
            f"below {self.below:g} {self.unit}" if self.below is not None else "",
            f"above {self.above:g} {self.unit}" if self.above is not None else "",
        ]
        return ", ".join(filter(None, said))

    def is_met(self, figure: float, floor: float, ratio: float) -> bool:
        """Whether all bounds hold."""
        return (
            (self.least is None or ratio >= self.least)
            and (self.most is None or ratio <= self.most)
            and (self.more is None or figure <= floor + self.more)
            and (self.below is None or figure < self.below)
            and (self.above is None or figure > self.above)
        )


INSERT = "the bulk insert of these events alone"
TIMER_FLOOR = "a bare workflow with the same timers and empty activities"
FIRST_CROWD = "with 10,000"
TURNED_OVER = "with 2,000, when its cache has been turned over"
STOP = "longest stop of the API's event loop"
AT_REST = "at rest, for as long"
PAGE = "event acknowledged to its message on an open page, beside 1,000 streams, 200 polls and 1,000 events a second"
AT_REST_PAGE = "with 100 streams and nothing else"
READY_MADE = "an event acknowledged, then a mail ready made"

_ROWS = (
    Row(
        "ingest", "ingest over HTTP, batches of 100, events that no campaign listens for", INSERT, "events/s", least=0.5
    ),
    Row("ingest_heard", "the same, where 10 % start or end a journey", INSERT, "events/s", least=0.33),
    Row(
        "ingest_callbacks",
        "ingest while a provider reports on 20,000 messages a minute, each by a callback of its own",
        "without callbacks",
        "events/s",
        least=0.8,
    ),
    Row(
        "ingest_traits",
        "ingest while 10 % of the events feed 20 computed traits",
        "without traits",
        "events/s",
        least=0.65,
    ),
    Row(
        "ingest_unmentioned",
        "ingest of page, screen, group and identify calls while a campaign and 20 traits mention others",
        "without the campaign and traits",
        "events/s",
        least=0.95,
    ),
    Row(
        "ingest_segments_50",
        "ingest with 50 segments, of which 10 % of the events affect 5",
        "with these 5",
        "events/s",
        least=0.9,
    ),
    Row(
        "ingest_segments_500",
        "ingest with 500 segments, of which 10 % of the events affect 5",
        "with these 5",
        "events/s",
        least=0.9,
    ),
    Row(
        "segments_pass",
        "people judged by 5 new segments, by a pass over everyone",
        "locking them and writing their states",
        "people/s",
        least=0.2,
    ),
    Row(
        "preview",
        "preview of a segment among a million people",
        "reading as many people",
        "ms",
        below=2_000,
    ),
    Row(
        "sweeper_p99",
        "how late 1,000 changes of a trait by time in each second are written, 99th percentile",
        "10 in each second",
        "ms",
        below=2_000,
    ),
    Row(
        "leaves_p99",
        "how late 1,000 people in each second leave a segment by time, 99th percentile",
        "10 in each second",
        "ms",
        below=2_000,
    ),
    Row(
        "pass_millions",
        "people judged by 5 new segments, by a pass over a million people with ten million events",
        "locking them and writing their states",
        "people/s",
        least=0.2,
    ),
    Row(
        "preview_millions",
        "preview of a segment among these",
        "reading as many people",
        "ms",
        below=2_000,
    ),
    Row(
        "ingest_millions_50",
        "ingest there, with 50 segments, of which 10 % of the events affect 5",
        "with these 5",
        "events/s",
        least=0.9,
    ),
    Row(
        "ingest_millions_500",
        "ingest there, with 500 segments, of which 10 % of the events affect 5",
        "with these 5",
        "events/s",
        least=0.9,
    ),
    Row(
        "leaves_millions",
        "how late 1,000 people in each second leave a segment there by time, 99th percentile",
        "10 in each second",
        "ms",
        below=2_000,
    ),
    Row("journeys", "journeys with a delay and a message", TIMER_FLOOR, "journeys/s", least=0.8),
    Row("journeys_plain", "journeys with a message, no delay", "bare, started eagerly", "journeys/s", least=0.8),
    Row("actions", "billable actions, a delay and a message", TIMER_FLOOR, "actions", more=0),
    Row("events", "history events, a delay and a message", TIMER_FLOOR, "events", more=3),
    Row("bytes", "history size, a delay and a message", TIMER_FLOOR, "bytes", most=2),
    Row("actions_two", "billable actions, two messages and a wait", TIMER_FLOOR, "actions", more=0),
    Row("events_two", "history events, two messages and a wait", TIMER_FLOOR, "events", more=3),
    Row("latency_p50", "trigger acknowledged to hand-over, median", "bare start to activity", "ms", most=2, below=20),
    Row("latency_p99", "trigger acknowledged to hand-over, 99th percentile", "bare start to activity", "ms", below=44),
    Row("late_p99", "how late a delay of 30 s fires, 99th percentile", "a bare timer", "ms", below=1_000),
    Row("gate", "authorize_send, many users", "its transaction as plain SQL", "calls/s", least=0.7),
    Row("gate_hot", "authorize_send, one hot user", "its transaction as plain SQL", "calls/s", least=0.7),
    Row("mails", "mails delivered by SMTP, one process", "their bytes ready made", "mails/s", above=1_000),
    Row("messages_p50", "single message requested to its mail, median", READY_MADE, "ms"),
    Row("messages_p99", "single message requested to its mail, 99th percentile", READY_MADE, "ms", below=50),
    Row("streams_p50", f"{PAGE}, median", AT_REST_PAGE, "ms"),
    Row("streams_p99", f"{PAGE}, 99th percentile", AT_REST_PAGE, "ms", below=1_000),
    Row(
        "ingest_streams",
        "ingest while 1,000 pages follow streams and 200 a second poll",
        "without",
        "events/s",
        least=0.5,
    ),
    Row(
        "console",
        "slowest answer to a page of the console, a million journeys",
        "a page of them listed",
        "ms",
        below=1_000,
    ),
    Row(
        "ingest_console",
        "ingest while ten people look at the graph of a million journeys",
        "without",
        "events/s",
        least=0.95,
    ),
    Row("ingest_live", "ingest while ten people follow live events", "without", "events/s", least=0.95),
    Row(
        "backtest",
        "backtest of the example campaigns over 30 days, with segments and computed traits",
        "reading the events alone",
        "ms of processor time a person",
        below=6,
    ),
    Row("backtest_memory", "memory of its processes at most", "over an empty database", "MB", below=1_500),
    Row("relay", "starts delivered by the relay", "signal-with-start alone", "starts/s", least=0.8),
    Row("crowd_100k", "time to ingest with 100,000 journeys in flight", FIRST_CROWD, "ms/batch", most=1.2),
    Row("crowd_1m", "time to ingest with 1,000,000 journeys in flight", FIRST_CROWD, "ms/batch", most=1.2),
    Row("memory_api", "memory of the API with 20,000 sleeping journeys", "with 1,000", "MB", most=1.1),
    Row("memory_worker", "memory of the worker with 20,000 sleeping journeys", TURNED_OVER, "MB", most=1.1),
    Row("stop_person", f"{STOP}, 4,800 events of a person with 100 journeys", AT_REST, "ms", below=50),
    Row("stop_batch", f"{STOP}, a batch of 10,000 events, 3.7 MB", AT_REST, "ms", below=50),
    Row("stop_broken", f"{STOP}, 20 broken batches at once, each 0.5 KB of gzip", AT_REST, "ms", below=50),
)
ROWS = {row.key: row for row in _ROWS}
