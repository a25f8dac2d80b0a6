"""The service's speed beside what it could be and what is simplest. `python -m bench`; how to read it: README.md."""
