"""Places and areas of a deployment, and where people are."""
