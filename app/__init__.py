"""The service: HTTP requests in, pictures out. Never imports torch or `training`."""
