"""Networks that know no loss: generators, discriminators and the blocks that they share."""
