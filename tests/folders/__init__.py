"""Model folders whose author meant harm: what is refused, when, and with which words."""
