"""What each ad platform promises: one result for each fate, never an exception, and requests as published."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from channels.ad_platforms.google import SCOPE, Google
from channels.ad_platforms.linkedin import LinkedIn
from channels.ad_platforms.meta import Meta
from channels.ad_platforms.registry import AD_PLATFORMS, open_platform
from channels.google_token import GoogleToken
from channels.report_fields import MAX_COUNT
from domain.ad_audiences.identifiers import HashedIdentifiers
from domain.ad_audiences.rules import AdAccountRule
from domain.ad_audiences.uploads import AdPlatform, UploadAction, UploadProgress
from domain.errors import InvalidRequestError
from domain.sending.delivery import Accepted, Ambiguous, Rejected, Unavailable
from domain.sending.outbound_secrets import BoundSecret
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.ad_accounts import AD_ACCOUNT_MODELS
from tests.channels import provider_specs
from tests.channels.servers import HANG_UP, TIME_OUT, Receiver, answer, listening

PATIENCE = 60.0
PEOPLE: list[HashedIdentifiers] = [
    {"email": "e1" * 32, "phone": "f1" * 32},
    {"email": "e2" * 32, "external_id": "a2" * 32},
]
MAILS: list[HashedIdentifiers] = [{"email": "e1" * 32}, {"email": "e2" * 32}]
PRIVATE_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
PEM = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
KEY = json.dumps(
    {
        "client_email": "sojourn@project.iam.gserviceaccount.example.com",
        "private_key": PRIVATE_KEY.private_bytes(*PEM).decode(),
    }
)
EC_KEY = ec.derive_private_key(7, ec.SECP256R1()).private_bytes(*PEM).decode()


class Known(GoogleToken):
    """A token that was fetched before, so that the fate is that of the request itself."""

    async def get(self) -> str:
        return "token"


def google(base: str) -> Google:
    return Google("1234567890", "99", Known(KEY, SCOPE), base, PATIENCE)


@dataclass(frozen=True)
class Platform:
    """A platform under test, and how it answers whoever is accepted or refused."""

    open: Callable[[str], AdPlatform]
    people: list[HashedIdentifiers]
    accepts: bytes
    refuses: bytes = answer(400, b"{}")


PLATFORMS = {
    "meta": Platform(
        lambda base: Meta("token", base, PATIENCE),
        PEOPLE,
        answer(200, b'{"num_received": 2, "num_invalid_entries": 1}'),
    ),
    "google": Platform(google, [PEOPLE[0], MAILS[1]], answer(200, b'{"requestId": "r-1"}')),
    "linkedin": Platform(
        lambda base: LinkedIn("token", base, PATIENCE),
        MAILS,
        answer(200, b'{"elements": [{"status": 201}, {"status": 400, "message": "no"}]}'),
    ),
}
NAMES = list(PLATFORMS)
FATES: Mapping[str, tuple[bytes | str | None, type]] = {
    "accepts": (None, Accepted),
    "refuses": ("refuses", Rejected),
    "is busy": (answer(503), Unavailable),
    "asks for a pause": (answer(429, Retry_After="7"), Unavailable),
    "refuses the account": (answer(401), Unavailable),
    "fails": (answer(500), Ambiguous),
    "loses the answer": (HANG_UP, Ambiguous),
    "never answers": (TIME_OUT, Ambiguous),
}


async def upload(name: str, reply: bytes | str, action: UploadAction = "add") -> tuple[Any, Receiver]:
    receiver, platform = Receiver(reply), PLATFORMS[name]
    async with listening(receiver.talk) as port:
        opened = platform.open(f"http://127.0.0.1:{port}")
        try:
            return await opened.upload("77", action, platform.people), receiver
        finally:
            await opened.close()


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("name", NAMES)
async def test_each_fate_is_one_result(name: str, fate: str) -> None:
    reply, expected = FATES[fate]
    platform = PLATFORMS[name]
    given = platform.accepts if reply is None else platform.refuses if reply == "refuses" else reply
    result, _ = await upload(name, given)
    assert type(result.delivery) is expected
    assert "e1e1" not in repr(result.delivery)


@pytest.mark.parametrize("name", NAMES)
async def test_nobody_there_is_unavailable(name: str, refused_port: int) -> None:
    platform = PLATFORMS[name].open(f"http://127.0.0.1:{refused_port}")
    result = await platform.upload("77", "remove", PLATFORMS[name].people)
    assert isinstance(result.delivery, Unavailable)
    await platform.close()


def test_each_account_has_a_platform() -> None:
    assert {kind.model for kind in AD_PLATFORMS} == set(AD_ACCOUNT_MODELS)
    assert {model.name for model in AD_ACCOUNT_MODELS} == set(NAMES)


@pytest.mark.parametrize("action", ["add", "remove"])
async def test_meta_is_told_of_rows(action: UploadAction) -> None:
    result, receiver = await upload("meta", PLATFORMS["meta"].accepts, action)
    [request] = receiver.requests
    method = "POST" if action == "add" else "DELETE"
    assert request.line == f"{method} /v25.0/77/users HTTP/1.1"
    assert request.headers["authorization"] == "Bearer token"
    assert json.loads(request.body) == {
        "payload": {
            "schema": ["EXTERN_ID", "EMAIL", "PHONE"],
            "data": [["", "e1" * 32, "f1" * 32], ["a2" * 32, "e2" * 32, ""]],
        }
    }
    assert result.invalid == 1


@pytest.mark.parametrize("number", ["true", "-1", "1" + "0" * 300, "null", "[]"])
async def test_a_number_of_meta_s_that_is_none_fits_the_table(number: str) -> None:
    result, _ = await upload("meta", answer(200, f'{{"num_invalid_entries": {number}}}'.encode()))
    assert isinstance(result.delivery, Accepted)
    assert result.invalid in (0, MAX_COUNT)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": 190}, "account"),
        ({"code": 100, "error_subcode": 1713230}, "account"),
        ({"code": 2650}, "busy"),
        ({"code": 80003}, "busy"),
    ],
)
async def test_meta_says_by_a_code_whose_fault_it_is(error: dict[str, int], reason: str) -> None:
    result, _ = await upload("meta", answer(400, json.dumps({"error": error}).encode()))
    assert isinstance(result.delivery, Unavailable)
    assert result.delivery.reason == reason


@pytest.mark.parametrize("action", ["add", "remove"])
async def test_linkedin_answers_for_each_person(action: UploadAction) -> None:
    result, receiver = await upload("linkedin", PLATFORMS["linkedin"].accepts, action)
    [request] = receiver.requests
    assert request.line == "POST /rest/dmpSegments/77/users HTTP/1.1"
    assert (request.headers["x-restli-method"], request.headers["linkedin-version"]) == ("BATCH_CREATE", "202610")
    assert json.loads(request.body)["elements"][0] == {
        "action": "ADD" if action == "add" else "REMOVE",
        "userIds": [{"idType": "SHA256_EMAIL", "idValue": "e1" * 32}],
    }
    assert (result.invalid, result.refused) == (1, {1: "linkedin answered 400"})


@pytest.mark.parametrize("status", [404, 426])
async def test_a_version_or_an_audience_that_is_gone_is_the_accounts_fault(status: int) -> None:
    result, _ = await upload("linkedin", answer(status))
    assert isinstance(result.delivery, Unavailable)
    assert result.delivery.reason == "account"


@pytest.mark.parametrize("action", ["add", "remove"])
async def test_googles_requests_are_those_of_its_document(action: UploadAction) -> None:
    result, receiver = await upload("google", PLATFORMS["google"].accepts, action)
    [request] = receiver.requests
    method = "ingest" if action == "add" else "remove"
    assert request.line == f"POST /v1/audienceMembers:{method} HTTP/1.1"
    body = json.loads(request.body)
    assert body["destinations"][0]["productDestinationId"] == "77"
    assert body["audienceMembers"][0] == {
        "userData": {"userIdentifiers": [{"emailAddress": "e1" * 32}, {"phoneNumber": "f1" * 32}]}
    }
    assert ("consent" in body) is (action == "add")
    assert result.request_id == "r-1"
    schema = "IngestAudienceMembersRequest" if action == "add" else "RemoveAudienceMembersRequest"
    assert provider_specs.list_discovery_faults("datamanager.v1", schema, body) == []


def test_the_published_document_refuses_other_requests() -> None:
    body = {"audienceMembers": [{"userData": {"userIdentifiers": [{"email": "e1"}]}}], "encoding": "BASE32"}
    faults = provider_specs.list_discovery_faults("datamanager.v1", "IngestAudienceMembersRequest", body)
    assert len(faults) == 2


@pytest.mark.parametrize(
    ("status", "progress"),
    [
        ({"requestStatus": "PROCESSING"}, UploadProgress("processing")),
        ({"requestStatus": "SUCCESS"}, UploadProgress("done")),
        (
            {
                "requestStatus": "PARTIAL_SUCCESS",
                "errorInfo": {
                    "errorCounts": [{"recordCount": "3", "reason": "PROCESSING_ERROR_REASON_INVALID_FORMAT"}]
                },
            },
            UploadProgress("done", 3, "PROCESSING_ERROR_REASON_INVALID_FORMAT"),
        ),
        ({"requestStatus": "FAILED"}, UploadProgress("failed")),
        # None of it is what the document says.
        ({"requestStatus": "SUCCESS", "errorInfo": {"errorCounts": 7}}, UploadProgress("done")),
        ({"requestStatus": "SUCCESS", "errorInfo": {"errorCounts": [7, {"recordCount": -1}]}}, UploadProgress("done")),
        (
            {"requestStatus": "SUCCESS", "errorInfo": {"errorCounts": [{"recordCount": "9" * 5_000}] * 3}},
            UploadProgress("done", MAX_COUNT),
        ),
    ],
)
async def test_google_is_asked_what_became_of_a_request(status: dict[str, Any], progress: UploadProgress) -> None:
    receiver = Receiver(answer(200, json.dumps({"requestStatusPerDestination": [status]}).encode()))
    async with listening(receiver.talk) as port:
        platform = google(f"http://127.0.0.1:{port}")
        assert await platform.look_up("r-1") == progress
        await platform.close()
    assert receiver.requests[0].line == "GET /v1/requestStatus:retrieve?requestId=r-1 HTTP/1.1"


async def test_a_token_of_google_is_fetched_once_for_its_time() -> None:
    receiver = Receiver(answer(200, b'{"access_token": "t-1", "expires_in": 3599}'))
    clock = 1_000_000.0
    async with listening(receiver.talk) as port:
        token = GoogleToken(KEY, SCOPE, f"http://127.0.0.1:{port}/token", PATIENCE, now=lambda: clock)
        assert [await token.get(), await token.get()] == ["t-1", "t-1"]
        assert len(receiver.requests) == 1
        clock += 3_500
        await token.get()
        await token.close()
    form = parse_qs(receiver.requests[1].body.decode())
    claims = jwt.decode(
        form["assertion"][0],
        PRIVATE_KEY.public_key(),
        algorithms=["RS256"],
        audience="https://oauth2.googleapis.com/token",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert (claims["scope"], claims["iat"], claims["exp"] - claims["iat"]) == (SCOPE, int(clock), 3_600)


@pytest.mark.parametrize("key", ["no PEM", EC_KEY])
def test_a_key_that_cannot_sign_is_refused_before_a_token_is_needed(key: str) -> None:
    with pytest.raises(ValueError, match="`private_key`"):
        GoogleToken(json.dumps({**json.loads(KEY), "private_key": key}), SCOPE)


@pytest.mark.parametrize(("reply", "reason"), [(answer(400), "account"), (answer(503), "http_503")])
async def test_without_a_token_google_is_not_asked(reply: bytes, reason: str) -> None:
    receiver = Receiver(reply)
    async with listening(receiver.talk) as port:
        base = f"http://127.0.0.1:{port}"
        platform = Google("1", None, GoogleToken(KEY, SCOPE, f"{base}/token", PATIENCE), base, PATIENCE)
        result = await platform.upload("77", "add", MAILS)
        assert isinstance(result.delivery, Unavailable)
        assert result.delivery.reason == reason
        assert isinstance(await platform.check(), Unavailable)
        await platform.close()


def test_an_account_is_opened_with_its_secret_alone() -> None:
    rule = AdAccountRule("meta", "meta", {"kind": "meta", "token": {"env": "SOJOURN_SECRET_META"}})
    with pytest.raises(InvalidRequestError, match="there is no secret SOJOURN_SECRET_META"):
        open_platform(rule, ProviderSecrets())
    secret = BoundSecret(place="SOJOURN_SECRET_META", value="token", hosts=())
    assert open_platform(rule, ProviderSecrets([secret])).name == "meta"
    with pytest.raises(InvalidRequestError, match="this build has no kind `other`"):
        open_platform(AdAccountRule("x", "other", {}), ProviderSecrets())
    with pytest.raises(InvalidRequestError, match="not those of this build"):
        open_platform(AdAccountRule("meta", "meta", {}), ProviderSecrets())


def test_a_key_that_is_none_is_named_by_its_place() -> None:
    settings = {"kind": "google", "account": "1", "key": {"env": "SOJOURN_SECRET_GOOGLE"}}
    secrets = ProviderSecrets([BoundSecret(place="SOJOURN_SECRET_GOOGLE", value="{}", hosts=())])
    with pytest.raises(InvalidRequestError, match="SOJOURN_SECRET_GOOGLE is not the key of a service account"):
        open_platform(AdAccountRule("google", "google", settings), secrets)
