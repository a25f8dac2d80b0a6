"""Who may ask for what, and how much of it: keys, scopes, quotas. Knows neither the engine nor a web framework."""
