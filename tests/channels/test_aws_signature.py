"""Signatures for AWS, compared with those of its own library."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import time_machine
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from channels.aws_signature import AwsKey

AT = datetime(2026, 11, 2, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "url", "headers", "content"),
    [
        (
            "POST",
            "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails",
            {"Content-Type": "application/json"},
            b"{}",
        ),
        ("GET", "https://email.eu-west-1.amazonaws.com/v2/email/account", {}, b""),
        ("GET", "https://email.us-east-2.amazonaws.com/a%20b/?b=2&a=x%2Fy&a=1&empty=", {"X-Two": "two  blanks "}, b"x"),
        ("POST", "http://127.0.0.1:8080/", {}, "ü".encode()),
    ],
)
def test_it_is_that_of_the_library(method: str, url: str, headers: dict[str, str], content: bytes) -> None:
    region = "eu-west-1" if "eu-west-1" in url else "us-east-2"
    request = AWSRequest(method, url, headers=dict(headers), data=content)
    with time_machine.travel(AT, tick=False):
        SigV4Auth(Credentials("AKIDEXAMPLE", "secret/key+"), "ses", region).add_auth(request)
    signed = AwsKey("AKIDEXAMPLE", "secret/key+", region, "ses").sign(method, url, headers, content, AT)
    assert signed["Authorization"] == request.headers["Authorization"]
    assert signed["X-Amz-Date"] == request.headers["X-Amz-Date"]
    assert urlsplit(url).netloc in url


def test_a_key_is_never_shown() -> None:
    assert "secret/key" not in repr(AwsKey("AKIDEXAMPLE", "secret/key+", "eu-west-1", "ses"))
