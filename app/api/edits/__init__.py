"""`/edit`: samples, latents and pictures moved along a model's directions."""
