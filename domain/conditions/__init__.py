"""CEL expressions: type-checked when a campaign is published, evaluated when something happens."""
