"""A graph made elsewhere becomes a model folder: `ganymede models add`. Uses the engine, the media and the contract."""
