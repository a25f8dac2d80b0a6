"""HTTP: one router per verb. Turns requests into jobs for the engine, and results into answers. Draws nothing."""
