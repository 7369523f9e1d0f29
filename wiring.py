"""The composition of API and worker from the settings."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from temporalio.client import Client

from application.account_views import Accounts
from application.activity import ActivityConsumer
from application.ad_audiences import AdAudiences
from application.ad_flush import AdPlatforms
from application.approval_gate import ApprovalGate
from application.approvals import Approvals
from application.attachments import Attachments
from application.audit import AuditLog
from application.bookings import Bookings
from application.callbacks import Callbacks, ReportGroups
from application.campaign_graph import CampaignGraphs
from application.campaign_life import CampaignLife
from application.campaign_numbers import CampaignsNumbers
from application.campaigns import Campaigns
from application.cap_pressure import CapPressures
from application.catalogue import Catalogue
from application.clickhouse_sink import ClickHouseSink
from application.confirmations import Confirmations
from application.console_sessions import ConsoleSessions
from application.consumers import Consumer
from application.data_plan import DataPlan, DataPlanConsumer
from application.deliverability import Deliverability
from application.deployment_documents import DeploymentDocuments
from application.device_registrations import DeviceRegistry
from application.device_reports import DeviceReports
from application.document_graphs import DocumentGraphs
from application.erasure import Erasures
from application.explain import Explain
from application.exports import Exports
from application.funnel import Funnels
from application.holds import Holds
from application.idempotency import Idempotency
from application.inbox import Inboxes
from application.incoming_mails import IncomingMails
from application.incoming_texts import IncomingTexts
from application.ingest import Ingest
from application.journeys import Journeys
from application.keys import EnvironmentKey, Keys
from application.lifecycle import Lifecycle
from application.link_tracking import FollowedLinks, LinkTracker
from application.linked_surveys import SurveyPages
from application.links import LinkReader
from application.live_events import LiveEvents
from application.merges import Merges
from application.message_counts import MessageCounts
from application.message_lists import MessageLists
from application.message_templates import MessageTemplates
from application.non_sends import NonSends
from application.operations.service import OperationService
from application.own_preferences import OwnPreferences
from application.page_inboxes import PageInboxes
from application.page_reactions import PageReactions
from application.page_triggers import PageTriggers
from application.plans import Plans
from application.preferences import Preferences
from application.previews import Previews
from application.providers import Providers
from application.reach_forecasts import ReachForecasts
from application.readiness import Readiness, readiness
from application.recipients import Recipients
from application.reconcile import Reconciliations
from application.rehearsal.requests import Backtests
from application.rejects import RejectLog
from application.reply_forwarding import ReplyForwarder
from application.reports import Reports
from application.retries import Retries, RetryGate
from application.rfm import Rfm
from application.segment_documents import SegmentDocuments
from application.segment_explanations import SegmentExplanations
from application.segment_members import SegmentMembers
from application.segment_numbers import SegmentNumbers
from application.segment_previews import SegmentPreviews
from application.send import Sender
from application.send_tests import SendTests
from application.single_messages import SingleMessages
from application.single_sign_on import SingleSignOn
from application.sources import Sources
from application.step_decisions import StepDecisions
from application.stream import Stream
from application.survey_results import SurveyResults
from application.unsubscribe import Unsubscribe
from application.user_changes import UserChanges
from application.user_imports import UserImports
from application.users import Users
from application.versions import Versions
from application.what_if import WhatIf
from channels.email.incoming_mails import read_incoming
from channels.openid_provider import OpenIdProvider
from channels.registry import answer_challenge, open_reader
from domain.access import Scope
from domain.people.links import LinkPurpose, MessageLink, mark_of, sign
from domain.sending.receiving import ReceivingDomain
from provider_wiring import ad_platforms, default_providers, open_providers, provider_secrets
from runtime import metrics
from runtime.documents import DocumentProcesses
from runtime.temporal import connect
from settings import Settings
from settings_temporal import TemporalSettings
from store.clickhouse import ClickHouse
from store.database import Database


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases that the API offers."""

    database: Database
    keys: Keys
    console_sessions: ConsoleSessions
    single_sign_on: SingleSignOn | None
    single_messages: SingleMessages
    page_triggers: PageTriggers
    message_templates: MessageTemplates
    audit_log: AuditLog
    rejects: RejectLog
    idempotency: Idempotency
    ingest: Ingest
    campaigns: Campaigns
    approvals: Approvals
    reach: ReachForecasts
    versions: Versions
    operations: OperationService
    erasures: Erasures
    exports: Exports
    plans: Plans
    documents: DeploymentDocuments
    ad_audiences: AdAudiences
    segments: SegmentDocuments
    segment_members: SegmentMembers
    users: Users
    accounts: Accounts
    attachments: Attachments
    change_user: UserChanges
    import_users: UserImports
    recipients: Recipients
    holds: Holds
    merges: Merges
    unsubscribe: Unsubscribe
    preferences: Preferences
    own_preferences: OwnPreferences
    page_inboxes: PageInboxes
    page_reactions: PageReactions
    confirmations: Confirmations
    survey_pages: SurveyPages
    callbacks: Callbacks
    deliverability: Deliverability
    incoming_mails: IncomingMails
    followed_links: FollowedLinks
    devices: DeviceRegistry
    device_reports: DeviceReports
    explain: Explain
    what_if: WhatIf
    explain_segment: SegmentExplanations
    segment_previews: SegmentPreviews
    segment_numbers: SegmentNumbers
    journeys: Journeys
    funnel: Funnels
    campaign_graph: CampaignGraphs
    document_graphs: DocumentGraphs
    campaign_numbers: CampaignsNumbers
    non_sends: NonSends
    message_counts: MessageCounts
    message_lists: MessageLists
    cap_pressure: CapPressures
    survey_results: SurveyResults
    lifecycle: Lifecycle
    rfm: Rfm
    reconciliations: Reconciliations
    backtests: Backtests
    retries: Retries
    stream: Stream
    live_events: LiveEvents
    sources: Sources
    data_plan: DataPlan
    previews: Previews
    send_tests: SendTests
    link_marks: Sequence[str]

    async def now(self) -> datetime:
        """Return the time by the deployment's clock, for arrivals."""
        return await self.database.now()

    async def ready(self) -> Readiness:
        """Return the state of each part."""
        return await readiness(self.database, self.link_marks)


@asynccontextmanager
async def services(settings: Settings) -> AsyncIterator[Services]:
    """Open the services of one API process, even if the database is away."""
    async with _database(settings) as database, AsyncExitStack() as stack:
        checks = DocumentProcesses()
        catalogue = Catalogue(settings.timezone, default_providers(settings))
        gate = _gate(settings, database)
        public_url = settings.public_url.rstrip("/")
        console_sessions = ConsoleSessions(database, environment_keys(settings), settings.console_edit)
        previews = Previews(database, catalogue, checks, settings.timezone, public_url)
        providers = open_providers(settings, catalogue)
        stack.push_async_callback(providers.close)
        ingest = Ingest(database, catalogue)
        # A message that this process cannot hand over is left to a worker.
        sending = open_providers(settings, catalogue, leaves_unusable=True)
        stack.push_async_callback(sending.close)
        links = LinkReader(database, catalogue, ingest, settings.link_secrets)
        reports = Reports(database, catalogue, ingest)
        groups, groups_of_pages = ReportGroups(database, reports), ReportGroups(database, reports)
        unsubscribe = Unsubscribe(links)
        graphs = CampaignGraphs(database)
        page_inboxes = PageInboxes(database, Inboxes(database, catalogue, settings.timezone))
        yield Services(
            database=database,
            keys=Keys(database, environment_keys(settings)),
            console_sessions=console_sessions,
            single_sign_on=_single_sign_on(settings, console_sessions, stack),
            single_messages=SingleMessages(
                database,
                catalogue,
                ingest,
                StepDecisions(database, catalogue, settings.timezone),
                _sender(settings, database, catalogue, sending),
                journey_url(settings),
            ),
            page_triggers=PageTriggers(database, catalogue),
            message_templates=MessageTemplates(database, checks),
            audit_log=AuditLog(database),
            rejects=RejectLog(database),
            idempotency=Idempotency(database),
            ingest=ingest,
            campaigns=Campaigns(database, checks, gate, takes_replies=settings.reply_domain is not None),
            approvals=Approvals(database, gate),
            reach=ReachForecasts(database, gate),
            versions=Versions(database, checks),
            operations=OperationService(database),
            erasures=Erasures(database),
            exports=Exports(database),
            plans=Plans(database, checks, settings.timezone, gate, takes_replies=settings.reply_domain is not None),
            documents=DeploymentDocuments(database, checks, settings.timezone),
            ad_audiences=AdAudiences(database),
            segments=SegmentDocuments(database, checks, settings.timezone),
            segment_members=SegmentMembers(database),
            accounts=Accounts(database),
            attachments=Attachments(database),
            users=Users(database, catalogue, journey_url(settings)),
            change_user=UserChanges(database, ingest, catalogue, journey_url(settings)),
            import_users=UserImports(database, ingest),
            recipients=Recipients(database, catalogue),
            holds=Holds(database),
            merges=Merges(database, catalogue),
            unsubscribe=unsubscribe,
            preferences=Preferences(links),
            page_inboxes=page_inboxes,
            page_reactions=PageReactions(database, page_inboxes, groups_of_pages),
            own_preferences=OwnPreferences(database, catalogue, ingest),
            confirmations=Confirmations(links),
            survey_pages=SurveyPages(links, groups_of_pages),
            callbacks=Callbacks(
                database,
                catalogue,
                groups,
                IncomingTexts(database, catalogue, groups, ingest, providers).receive,
                Bookings(database, ingest, settings.link_secrets).receive,
                partial(open_reader, secrets=provider_secrets(settings)),
                partial(answer_challenge, secrets=provider_secrets(settings)),
                metrics.count,
                partial(datetime.now, UTC),
            ),
            deliverability=Deliverability(database, catalogue),
            incoming_mails=IncomingMails(
                database,
                groups,
                unsubscribe,
                ingest,
                ReplyForwarder(database, catalogue, providers, metrics.count),
                read_incoming,
                settings.link_secrets,
                metrics.count,
            ),
            followed_links=FollowedLinks(database, settings.link_secrets),
            devices=DeviceRegistry(database),
            device_reports=DeviceReports(database, groups_of_pages, settings.link_secrets),
            explain=Explain(database, catalogue, journey_url(settings), settings.timezone),
            what_if=WhatIf(database, catalogue, settings.timezone),
            explain_segment=SegmentExplanations(database, catalogue),
            segment_previews=SegmentPreviews(database, catalogue, checks),
            segment_numbers=SegmentNumbers(database, catalogue, settings.timezone),
            journeys=Journeys(database, journey_url(settings), settings.timezone),
            funnel=Funnels(database),
            campaign_graph=graphs,
            document_graphs=DocumentGraphs(database, checks, graphs),
            campaign_numbers=CampaignsNumbers(database),
            non_sends=NonSends(database),
            message_counts=MessageCounts(database),
            message_lists=MessageLists(database),
            cap_pressure=CapPressures(database),
            survey_results=SurveyResults(database),
            lifecycle=Lifecycle(database),
            rfm=Rfm(database),
            reconciliations=Reconciliations(database),
            backtests=Backtests(database, checks),
            retries=Retries(database),
            stream=Stream(database),
            live_events=LiveEvents(database),
            sources=Sources(database),
            data_plan=DataPlan(database),
            previews=previews,
            send_tests=SendTests(database, catalogue, previews, providers, public_url),
            link_marks=[mark_of(secret) for secret in settings.link_secrets],
        )


@dataclass(frozen=True, slots=True)
class Engine:
    """The parts of the worker's activities and its relay."""

    database: Database
    catalogue: Catalogue
    gate: ApprovalGate
    life: CampaignLife
    step_decisions: StepDecisions
    retry_gate: RetryGate
    sender: Sender
    providers: Providers
    ad_platforms: AdPlatforms
    link_mark: str
    consumers: Sequence[Consumer]


@asynccontextmanager
async def engine(settings: Settings) -> AsyncIterator[Engine]:
    """Open the engine of one worker process."""
    async with _database(settings) as database, AsyncExitStack() as stack:
        catalogue = Catalogue(settings.timezone, default_providers(settings))
        gate = _gate(settings, database)
        consumers: list[Consumer] = [DataPlanConsumer(), ActivityConsumer(catalogue)]
        if settings.clickhouse_url is not None:
            clickhouse = await stack.enter_async_context(ClickHouse(settings.clickhouse_url.get_secret_value()))
            consumers.append(ClickHouseSink(clickhouse))
        providers = open_providers(settings, catalogue)
        stack.push_async_callback(providers.close)
        platforms = ad_platforms(settings)
        stack.push_async_callback(platforms.close)
        yield Engine(
            database=database,
            catalogue=catalogue,
            gate=gate,
            life=CampaignLife(database, gate),
            step_decisions=StepDecisions(database, catalogue, settings.timezone),
            retry_gate=RetryGate(database, catalogue, settings.timezone),
            sender=_sender(settings, database, catalogue, providers),
            providers=providers,
            ad_platforms=platforms,
            link_mark=mark_of(settings.link_secrets[0]),
            consumers=consumers,
        )


def _single_sign_on(settings: Settings, sessions: ConsoleSessions, stack: AsyncExitStack) -> SingleSignOn | None:
    if settings.oidc_issuer is None or settings.oidc_client_id is None or settings.oidc_client_secret is None:
        return None
    provider = OpenIdProvider(
        settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret.get_secret_value()
    )
    stack.push_async_callback(provider.close)
    redirect_uri = f"{(settings.console_url or settings.public_url).rstrip('/')}/v1/session/oidc/callback"
    return SingleSignOn(provider, sessions, redirect_uri, settings.oidc_groups_claim, settings.oidc_roles)


def _gate(settings: Settings, database: Database) -> ApprovalGate:
    return ApprovalGate(database, settings.timezone, settings.approval_above)


def _sender(settings: Settings, database: Database, catalogue: Catalogue, providers: Providers) -> Sender:
    secrets, public_url = settings.link_secrets, settings.public_url.rstrip("/")

    def link_url(purpose: LinkPurpose, link: MessageLink) -> str:
        return f"{public_url}/{purpose}/{sign(secrets, purpose, link)}"

    tracking_url = (settings.tracking_url or settings.public_url).rstrip("/")
    tracker = LinkTracker(database, secrets, tracking_url, f"{public_url}/")
    receiving = ReceivingDomain(settings.reply_domain, tuple(secrets)) if settings.reply_domain else None
    return Sender(database, catalogue, providers, link_url, tracker, settings.timezone, receiving)


def environment_keys(settings: Settings) -> list[EnvironmentKey]:
    """Return the keys that need no database."""
    return [
        EnvironmentKey.of("SOJOURN_WRITE_KEY", settings.write_key.get_secret_value(), Scope.INGEST),
        EnvironmentKey.of("SOJOURN_ADMIN_KEY", settings.admin_key.get_secret_value(), Scope.ADMIN),
    ]


def _database(settings: Settings) -> Database:
    database = Database(
        settings.database_url.get_secret_value(), pool_size=settings.database_pool_size, count=metrics.count
    )
    metrics.POOLS.add(database)
    return database


async def connect_temporal(settings: TemporalSettings) -> Client:
    """Connect to the deployment's Temporal. Raises RuntimeError."""
    return await connect(
        settings.temporal_address,
        settings.temporal_namespace,
        tls=settings.temporal_tls or False,
        api_key=settings.temporal_api_key.get_secret_value() if settings.temporal_api_key else None,
        grpc_meta=settings.temporal_grpc_meta,
        payload_keys=settings.payload_keys_by_id,
    )


def journey_url(settings: Settings) -> str:
    """Return the address of a journey in the Temporal UI, with `{workflow_id}`."""
    base = settings.temporal_ui_url.rstrip("/")
    return f"{base}/namespaces/{settings.temporal_namespace}/workflows/{{workflow_id}}"
