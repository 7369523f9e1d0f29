"""Ad platforms: audiences that campaigns and segments fill."""
