"""The worker process: journeys, the gate, sends by channel, and the relay."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkerDeploymentConfig

import provider_wiring
import wiring
from activities.audience import AudienceActivities
from activities.campaign import CampaignActivities
from activities.journey import JourneyActivities, SendActivities
from activities.retry import RetryActivities
from application.ad_audiences import MirrorHandler
from application.ad_flush import AudienceFlush, AudienceJudge
from application.audience_schedule import AudienceRuns
from application.computed_traits import BackfillHandler
from application.count_sweeper import CountSweeper
from application.deliverability import DeliverySweeper
from application.ingest import Ingest
from application.link_tracking import LinkVerdicts
from application.marked_people import MarkedPeople
from application.operations.announce import AnnounceHandler
from application.operations.enrol import EnrolHandler
from application.operations.erase import EraseHandler
from application.operations.exit import ExitHandler
from application.operations.migrate import MigrateHandler
from application.operations.release import ReleaseHandler
from application.operations.resume import ResumeHandler
from application.operations.retry import RetryHandler
from application.operations.runner import OperationHandler, OperationRunner
from application.operations.skip import SkipHandler
from application.recalls import RecallSweeper
from application.reconcile import Reconciler
from application.reports import Reports
from application.rfm_scores import ScoreHandler, ScoreSchedule
from application.segment_previews import CountHandler
from application.segments import JudgeHandler
from application.session_events import SessionReporter
from application.trait_sweeper import Sweeper, WatchHandler
from domain.channels.kinds import CHANNELS
from domain.operations import OperationKind
from runtime.backtests import BacktestRunner, run_backtests
from runtime.batches import JourneyBatches
from runtime.consumers import run_consumers
from runtime.deployment_watch import DeploymentWatch
from runtime.deployments import deployment_config
from runtime.failures import FailureInterceptor
from runtime.gauges import poll_gauges
from runtime.health import Health, serve_health
from runtime.instrumented_process import instrumented_process, log_fatal
from runtime.journey_workflows import JourneyWorkflows
from runtime.maintenance import run_maintenance
from runtime.migration_client import JourneyMigrator
from runtime.operations import work_on_operations
from runtime.process import exit_now
from runtime.provider_workers import ProviderWorkers
from runtime.reconciliation import reconcile
from runtime.relay import Relay
from runtime.schedules import AudienceSchedules
from runtime.sweeper import run_sweeper
from runtime.temporal import WORKFLOWS, workflow_runner
from settings import Settings
from wiring import Engine
from workflows.options import provider_queue, send_queue

log = structlog.get_logger()

# How long pending work may take during shutdown: a channel's attempt takes at most 50 s, and an interrupted one leaves
# its message unknown.
GRACE = timedelta(seconds=60)
# As many as the server advises during a backlog. A few fixed ones may all wait at empty partitions of a queue, while a
# campaign waits in another one for seconds.
POLLERS = PollerBehaviorAutoscaling()


async def run(
    settings: Settings,
    *,
    stop: asyncio.Event,
    ready: asyncio.Event | None = None,
    connect: Callable[[Settings], Awaitable[Client]] = wiring.connect_temporal,
) -> None:
    """Run until `stop`. `ready` is set once the worker takes tasks, after its needs."""
    health = Health()
    async with serve_health(health, settings.health_address), wiring.engine(settings) as engine:
        watch = DeploymentWatch(
            engine.database,
            lambda: connect(settings),
            lambda: provider_wiring.probe_mail(engine.providers, engine.database, engine.catalogue),
            engine.link_mark,
            health,
            settings.task_queue,
        )
        client = await watch.until_usable(stop)
        if client is not None:
            await _work(settings, engine, client, watch, health, stop, ready)


async def _work(
    settings: Settings,
    engine: Engine,
    client: Client,
    watch: DeploymentWatch,
    health: Health,
    stop: asyncio.Event,
    ready: asyncio.Event | None,
) -> None:
    async with asyncio.TaskGroup() as tasks:
        operations = _operations(client, settings.task_queue, engine)
        sends = SendActivities(engine.sender)
        workers = _workers(client, settings, engine, operations, sends)
        paced = ProviderWorkers(
            engine.database,
            lambda queue, pace: _send_worker(
                client, settings, sends, provider_queue(settings.task_queue, *queue), pace
            ),
        )
        tasks.create_task(paced.run(stop))
        for worker in workers:
            tasks.create_task(worker.run())
        tasks.create_task(_shut_down(workers, health, stop))
        workflows = JourneyWorkflows(client, settings.task_queue)
        relay = Relay(
            engine.database, engine.catalogue, client, settings.task_queue, is_eager=settings.build_id is None
        )
        tasks.create_task(relay.run(stop))
        tasks.create_task(watch.keep_reporting(stop))
        tasks.create_task(run_maintenance(engine.database, stop))
        tasks.create_task(poll_gauges(engine.database, stop))
        tasks.create_task(run_sweeper(Sweeper(engine.database, engine.catalogue), stop))
        tasks.create_task(run_sweeper(MarkedPeople(engine.database, engine.catalogue), stop))
        ingest = Ingest(engine.database, engine.catalogue)
        tasks.create_task(run_sweeper(SessionReporter(engine.database, engine.catalogue, ingest), stop))
        tasks.create_task(run_sweeper(ScoreSchedule(engine.database), stop))
        reports = Reports(engine.database, engine.catalogue, ingest)
        tasks.create_task(run_sweeper(DeliverySweeper(engine.database), stop))
        tasks.create_task(run_sweeper(CountSweeper(engine.database), stop))
        tasks.create_task(run_sweeper(RecallSweeper(engine.database, engine.catalogue, engine.providers), stop))
        tasks.create_task(run_sweeper(AudienceJudge(engine.database), stop))
        tasks.create_task(run_sweeper(AudienceFlush(engine.database, engine.catalogue, engine.ad_platforms), stop))
        tasks.create_task(run_sweeper(LinkVerdicts(engine.database, reports), stop))
        tasks.create_task(run_consumers(engine.database, engine.consumers, stop))
        tasks.create_task(work_on_operations(engine.database, operations, stop))
        simulations = BacktestRunner(engine.database, settings.timezone, provider_wiring.default_providers(settings))
        tasks.create_task(run_backtests(engine.database, simulations, stop))
        tasks.create_task(reconcile(engine.database, Reconciler(engine.database, workflows), stop))
        log.info("worker started", task_queue=settings.task_queue, build_id=settings.build_id)
        health.is_working = True
        if ready is not None:
            ready.set()


async def _shut_down(workers: Sequence[Worker], health: Health, stop: asyncio.Event) -> None:
    """Stop all parts at once, each within its own time."""
    await stop.wait()
    health.is_working = False
    log.info("worker stopped")
    await asyncio.gather(*(worker.shutdown() for worker in workers))


def _workers(
    client: Client, settings: Settings, engine: Engine, operations: OperationRunner, sends: SendActivities
) -> list[Worker]:
    interceptors = [FailureInterceptor()]
    build = _build(settings)
    journeys = JourneyActivities(engine.database, engine.step_decisions)
    schedules = AudienceSchedules(client, settings.task_queue)
    audience_runs = AudienceRuns(engine.database, engine.catalogue, schedules, settings.timezone, engine.gate)
    audiences = AudienceActivities(audience_runs)
    campaigns = CampaignActivities(engine.life, audience_runs, operations)
    main = Worker(
        client,
        task_queue=settings.task_queue,
        workflows=WORKFLOWS,
        activities=[
            journeys.authorize_send,
            journeys.authorize_members,
            journeys.evaluate_branch,
            journeys.look_up_delay,
            journeys.perform_step,
            journeys.record_position,
            journeys.finish_journey,
            journeys.move_journey,
            journeys.keep_journey,
            campaigns.advance_campaign,
            campaigns.work_on_operations,
            audiences.start_audience_run,
            RetryActivities(engine.retry_gate).authorize_retry,
        ],
        workflow_runner=workflow_runner(),
        workflow_task_poller_behavior=POLLERS,
        activity_task_poller_behavior=POLLERS,
        interceptors=interceptors,
        graceful_shutdown_timeout=GRACE,
        deployment_config=build,
    )
    return [main, *(_send_worker(client, settings, sends, send_queue(settings.task_queue, one)) for one in CHANNELS)]


def _send_worker(
    client: Client, settings: Settings, sends: SendActivities, queue: str, per_second: float | None = None
) -> Worker:
    """Make the worker of a queue of sends; the server limits those of all workers."""
    return Worker(
        client,
        task_queue=queue,
        activities=[sends.send_message],
        activity_task_poller_behavior=POLLERS,
        interceptors=[FailureInterceptor()],
        graceful_shutdown_timeout=GRACE,
        deployment_config=_build(settings),
        max_task_queue_activities_per_second=per_second,
    )


def _build(settings: Settings) -> WorkerDeploymentConfig | None:
    return None if settings.build_id is None else deployment_config(settings.task_queue, settings.build_id)


def _operations(client: Client, task_queue: str, engine: Engine) -> OperationRunner:
    handlers: dict[OperationKind, OperationHandler] = {
        "announce": AnnounceHandler(engine.catalogue),
        "backfill": BackfillHandler(),
        "count": CountHandler(engine.catalogue),
        "enrol": EnrolHandler(engine.catalogue, engine.gate),
        "erase": EraseHandler(
            JourneyWorkflows(client, task_queue),
            # Consumers that follow moved profiles hold copies of their rows.
            [consumer.name for consumer in engine.consumers if "profile" in consumer.kinds],
        ),
        "exit": ExitHandler(JourneyBatches(client, task_queue)),
        "judge": JudgeHandler(engine.catalogue),
        "migrate": MigrateHandler(engine.catalogue, JourneyMigrator(client)),
        "mirror": MirrorHandler(),
        "release": ReleaseHandler(),
        "resume": ResumeHandler(),
        "retry": RetryHandler(),
        "score": ScoreHandler(),
        "skip": SkipHandler(),
        "watch": WatchHandler(engine.catalogue),
    }
    return OperationRunner(engine.database, handlers)


async def _until_signalled(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop=stop)


def main() -> None:
    """Run until SIGINT or SIGTERM."""
    settings = Settings()
    with (
        log_fatal(),
        instrumented_process("sojourn-worker", metrics_address=settings.metrics_address, build_id=settings.build_id),
    ):
        # Loaded modules stay: the garbage collector need not scan them again.
        gc.freeze()
        asyncio.run(_until_signalled(settings))


if __name__ == "__main__":
    # As `sojourn worker`, which reports errors in words.
    from cli.main import run as run_command

    exit_now(run_command(["worker"]))
