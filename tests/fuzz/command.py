"""One run of Schemathesis against a server, as a process: the test makes a short one, `make fuzz` a long one."""
