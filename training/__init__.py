"""The offline half: trains the systems of the lecture series and exports their generators as model folders."""
