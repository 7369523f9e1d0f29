"""Settings of the web console."""

from pydantic import Field

from domain.access import ConsoleEdit
from settings_sources import EnvironmentSettings
from settings_types import PublicUrl


class ConsoleSettings(EnvironmentSettings):
    """The web console, and [its sessions](api.md#sessions)."""

    console_url: PublicUrl | None = Field(
        None,
        description="the address at which people reach the console, where it is not that of `SOJOURN_PUBLIC_URL`. "
        "Sessions are for its pages alone",
    )
    console_edit: ConsoleEdit = Field(
        ConsoleEdit.PLAN,
        description="what the console does with documents: nothing (`off`), it plans them (`plan`), or it applies "
        "plans as well (`apply`). Keys are not concerned",
    )
