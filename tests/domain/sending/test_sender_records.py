"""What receivers of mail would find wrong with a sender, by its DNS records."""

import pytest

from domain.sending.sender_records import SenderDomain, find_faults, list_names

SENDER = SenderDomain("news.example.com", (("example.com", "s1"),))
RIGHT = {
    "news.example.com": ["google-site-verification=x", "v=spf1 include:_spf.example.net ~all"],
    "s1._domainkey.example.com": ["v=DKIM1; k=rsa; p=MIIB"],
    "_dmarc.news.example.com": [],
    "_dmarc.example.com": ["v=DMARC1; p=none; rua=mailto:dmarc@example.com"],
}


def test_a_sender_whose_records_are_there_has_no_faults() -> None:
    assert set(list_names(SENDER)) == set(RIGHT)
    assert list(find_faults(SENDER, RIGHT)) == []


@pytest.mark.parametrize(
    ("name", "texts", "problem"),
    [
        ("news.example.com", [], "has no SPF record"),
        ("news.example.com", ["v=spf10 -all"], "has no SPF record"),
        ("news.example.com", ["v=spf1 -all", "V=SPF1 ~all"], "has 2 SPF records"),
        ("news.example.com", ["v=spf1 +all"], "lets every server send"),
        ("s1._domainkey.example.com", [], "has no DKIM key"),
        ("s1._domainkey.example.com", ["v=DKIM1; p="], "has a revoked DKIM key"),
        ("_dmarc.example.com", [], "has no DMARC record"),
        ("_dmarc.example.com", ["v=DMARC1; p=none", "v=DMARC1; p=reject"], "has 2 DMARC records"),
        ("_dmarc.example.com", ["v=DMARC1; rua=mailto:a@example.com"], "has a DMARC record without a policy"),
    ],
)
def test_each_fault_has_its_remedy(name: str, texts: list[str], problem: str) -> None:
    [fault] = find_faults(SENDER, {**RIGHT, name: texts})
    assert fault.problem.startswith(problem)
    assert fault.remedy


@pytest.mark.parametrize("name", RIGHT)
def test_a_failed_look_up_is_no_missing_record(name: str) -> None:
    [fault] = find_faults(SENDER, {key: texts for key, texts in RIGHT.items() if key != name})
    assert (fault.name, fault.problem) == (name, "could not be looked up")
