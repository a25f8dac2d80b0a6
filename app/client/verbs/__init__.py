"""The verbs, each described once as a function that makes a `Call`: `Client` and `AsyncClient` send what it says.

What isn't given is left to the service. Of every verb that draws, `model` is a name, or `name@version`, the service's
choice if not given; `timeout` is the seconds after which the answer is of no more use, so that nothing works on it any
longer; `priority` may be "bulk", which yields to requests that somebody waits for.
"""
