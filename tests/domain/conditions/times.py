"""The instant of evaluations in tests that do not depend on it."""

from datetime import UTC, datetime

from domain.conditions.expressions import EvaluationTime

NOW = EvaluationTime(datetime(2026, 11, 2, 8, 30, tzinfo=UTC))
