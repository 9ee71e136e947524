"""HTTP: discovery, hook calls, health, limits, cross-origin access. The only layer that knows Flask."""
