"""A migration that a journey was asked for, and its result."""

from datetime import datetime
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from application.migrations import MigrationRef
    from domain.journey.migration import ENDED, CannotMigrate, Migration, MigrationOutcome


class MigrationRequest:
    """A migration that was asked for, until it has a result."""

    def __init__(self, migration: Migration) -> None:
        self.migration = migration
        self.result: MigrationOutcome | CannotMigrate | None = None

    def get(self) -> MigrationOutcome:
        """Return the result, or raise why the journey stays on its version."""
        if isinstance(self.result, CannotMigrate):
            raise migration_failure(self.result)
        return self.result or ENDED

    def ref(self, journey_id: UUID, step: str | None, at: datetime) -> MigrationRef:
        """Return the migration's reference for activities, at a step."""
        return MigrationRef(
            journey_id=journey_id,
            from_version=self.migration.from_version,
            to_version=self.migration.to_version,
            operation=self.migration.operation,
            step=step,
            at=at,
        )


def migration_failure(kept_by: CannotMigrate) -> ApplicationError:
    """Return the failure of an update whose journey stays on its version."""
    return ApplicationError(kept_by.text, kept_by.step, type=kept_by.reason)
