"""`/predict`: how a clip goes on, frame by frame."""
