"""What clients made elsewhere expect: OpenAI's images under `/v1`, the Open Inference Protocol under `/v2`."""
