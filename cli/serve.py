"""sojourn api, worker, migrate: the processes of a deployment.

They import what they run inside of the function: the Temporal client, FastAPI and SQLAlchemy together take a second to
load, which `sojourn campaigns` should not wait for.
"""

from typing import Annotated

import typer


def api(
    host: Annotated[str | None, typer.Option(help="SOJOURN_API_HOST, if left out.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="SOJOURN_API_PORT, if left out.", show_default=False)] = None,
) -> None:
    """Serve the HTTP API. For more than one process, start it more than once behind a load balancer."""
    import uvicorn

    from api.app import create_app
    from runtime.logs import configure_logs
    from settings import Settings

    configure_logs()
    settings = Settings()
    uvicorn.run(
        create_app(settings),
        host=host or settings.api_host,
        port=settings.api_port if port is None else port,
        # Paths hold user ids and unsubscribe tokens.
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
        # Longer than clients and load balancers keep a connection, so that it is they who close it.
        timeout_keep_alive=75,
    )


def worker() -> None:
    """Run journeys and send messages."""
    from worker import main

    main()


def migrate() -> None:
    """Bring the database to the newest schema. Safe to repeat, and to run twice at once."""
    from settings import DatabaseSettings
    from store.migrate import upgrade

    upgrade(DatabaseSettings().database_url.get_secret_value())
    typer.echo("The database has the newest schema.")
