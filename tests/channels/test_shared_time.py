"""A delivery of several calls has the time of one, whatever each of them takes."""

import json
from typing import Any

import pytest

from channels.call.hubspot import Hubspot
from channels.chat.chatwoot import ChatwootInbox
from channels.chat.intercom import Intercom
from channels.google_token import GoogleToken
from channels.http_call import TOTAL_SECONDS
from channels.post.lob import Lob
from channels.push.apns import Apns, ApnsToken
from channels.push.fcm import SCOPE, Fcm
from channels.slack.slack import SlackApi
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Rejected, Unavailable
from tests.channels import test_apns, test_chatwoot, test_hubspot, test_intercom
from tests.channels.http2_server import PushRequest, PushService, Reply
from tests.channels.messages import ADDRESS, CHAT, MAIL, PHONE, slack
from tests.channels.pushes import device, push_to
from tests.channels.servers import Service, answer, let_time_pass, listening, trusting_tls
from tests.channels.test_ad_platforms import KEY

# Two of them take longer than one call may.
SLOW = TOTAL_SECONDS * 2 / 3


def said(body: Any) -> bytes:
    return answer(200, json.dumps(body).encode())


async def by_chatwoot(base: str) -> Delivery:
    return await ChatwootInbox("token", 7, 3, base).deliver(CHAT, ADDRESS)


async def by_intercom(base: str) -> Delivery:
    return await Intercom("token", "814", base).deliver(CHAT, ADDRESS)


async def by_slack(base: str) -> Delivery:
    return await SlackApi("xoxb-token", base).deliver(slack("eva@shop.example"), "")


async def by_hubspot(base: str) -> Delivery:
    return await Hubspot("token", base).deliver(test_hubspot.owned("eva@shop.example"), PHONE)


async def by_fcm(base: str) -> Delivery:
    return await Fcm("shop", GoogleToken(KEY, SCOPE, f"{base}/token"), base).deliver(push_to(device("t")), "t")


@pytest.mark.parametrize(
    ("deliver", "replies"),
    [
        (by_chatwoot, test_chatwoot.replies()),
        (
            by_intercom,
            {
                test_intercom.SEARCH: said(test_intercom.FOUND),
                test_intercom.SEND: said({"id": "m-1", "conversation_id": "77"}),
            },
        ),
        (by_slack, {"GET": said({"ok": True, "user": {"id": "U1"}}), "POST": said({"ok": True})}),
        (by_hubspot, {"GET": said({"results": [{"id": "99"}]}), "POST": said(test_hubspot.WRITTEN)}),
        (by_fcm, {"POST /token": said({"access_token": "t"}), "POST": said({"name": "n"})}),
    ],
)
async def test_a_look_up_takes_of_the_time_of_the_delivery(deliver: Any, replies: dict[str, bytes | str]) -> None:
    service = Service(replies=replies)
    async with listening(service.talk) as port:
        assert isinstance(await deliver(f"http://127.0.0.1:{port}"), Accepted)
    service = Service(replies=replies, seconds=SLOW)
    async with listening(service.talk) as port:
        delivery = await deliver(f"http://127.0.0.1:{port}")
    assert isinstance(delivery, Unavailable | Ambiguous)
    assert delivery.detail == "timed out"
    assert len(service.requests) == 2


async def test_a_recall_of_several_calls_has_the_time_of_one() -> None:
    service = Service(replies={"GET": said({"data": []})}, seconds=SLOW)
    async with listening(service.talk) as port:
        account = Lob("token", "adr_1", base=f"http://127.0.0.1:{port}")
        recall = await account.recall(MAIL.message_id, None)
        await account.close()
    assert isinstance(recall, Unavailable | Ambiguous)
    assert recall.detail == "timed out"


async def test_both_environments_of_apple_have_the_time_of_one() -> None:
    def reply(_: PushRequest) -> Reply:
        let_time_pass(SLOW)
        return 400, {"reason": "BadDeviceToken"}

    service = PushService(reply)
    async with service.serve() as one, service.serve() as other:
        hosts: Any = {"production": f"https://localhost:{one}", "sandbox": f"https://localhost:{other}"}
        provider = Apns(ApnsToken(test_apns.KEY, "F6", "A1"), ["com.example.shop"], hosts, tls_context=trusting_tls())
        delivery = await provider.deliver(push_to(device(test_apns.TOKEN, kind="apns")), test_apns.TOKEN)
        await provider.close()
    assert not isinstance(delivery, Rejected)
