"""`/interpolate`: from stop to stop through a latent space, and the films that such a sequence of pictures makes."""
