"""The processes of `ganymede serve`: one that serves, or several, their supervisor, and what they tell each other."""
