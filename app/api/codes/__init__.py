"""`/encode`, `/decode`, `/reconstruct` and the code map: pictures as latents, and latents as pictures."""
