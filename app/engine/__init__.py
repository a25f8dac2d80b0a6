"""The engine: models on devices, batches, and the queues before them. Knows nothing of HTTP."""
