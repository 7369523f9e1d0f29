"""What a scrape says, as Prometheus reads it."""

from prometheus_client.parser import text_string_to_metric_families


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The values by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    """The sum over the series with these labels; 0 where there are none."""
    return sum(
        found
        for (series, theirs), found in samples(text).items()
        if series == name and labels.items() <= dict(theirs).items()
    )
