"""What receivers of mail would find wrong with a sender, by its DNS records."""

import pytest

from domain.sending.sender_records import (
    DkimSelectors,
    RecordFinding,
    SenderDomain,
    TextRecords,
    find_faults,
    find_return_faults,
    is_aligned,
    list_names,
)

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


def test_the_domain_that_mails_return_to_needs_spf_alone() -> None:
    assert list(find_return_faults("b.example.com", {"b.example.com": ["v=spf1 ip4:192.0.2.1 -all"]})) == []
    cases: list[tuple[TextRecords, str]] = [
        ({"b.example.com": []}, "has no SPF record"),
        ({}, "could not be looked up"),
    ]
    for texts, problem in cases:
        [fault] = find_return_faults("b.example.com", texts)
        assert (fault.name, fault.problem) == ("b.example.com", problem)
        assert fault.remedy


KEY = ["v=DKIM1; p=MIIB"]


def faults_of(signer: DkimSelectors, **keys: list[str]) -> list[RecordFinding]:
    """The faults of a sender whose other records are right, with these keys by selector."""
    sender = SenderDomain("news.example.com", signers={"relay": signer})
    found = {f"{selector}._domainkey.{signer.domain or 'example.com'}": texts for selector, texts in keys.items()}
    texts = {**{name: [] for name in list_names(sender)}, **RIGHT, **found}
    return list(find_faults(sender, texts))


def test_one_of_the_usual_selectors_is_enough() -> None:
    usual = DkimSelectors(("mx", "k1"), needs_all=False)
    assert faults_of(usual, k1=KEY) == []
    [fault] = faults_of(usual)
    assert fault.name == "mx._domainkey.news.example.com"
    assert fault.problem == "has no DKIM key, by which relay would sign"
    assert "dkim_selectors" in fault.remedy
    # A revoked key does not sign.
    [fault] = faults_of(usual, mx=["v=DKIM1; p="])
    assert fault.problem == "has a revoked DKIM key"


def test_each_selector_of_the_document_needs_its_key() -> None:
    named = DkimSelectors(("a", "b"), needs_all=True)
    assert faults_of(named, a=KEY, b=KEY) == []
    assert [fault.name for fault in faults_of(named, b=KEY)] == ["a._domainkey.news.example.com"]


def test_the_keys_of_a_sending_domain_are_sought_there() -> None:
    of_domain = DkimSelectors(("mx",), needs_all=False, domain="mg.example.com")
    assert faults_of(of_domain, mx=KEY) == []
    assert [fault.name for fault in faults_of(of_domain)] == ["mx._domainkey.mg.example.com"]
    assert is_aligned("example.com", "mg.example.com")
    assert is_aligned("mg.example.com", "example.com")
    assert not is_aligned("badexample.com", "example.com")
