"""How large a manifest and what it describes may be.

Whoever wrote a folder may have meant harm: each bound is far above what a model needs, and far below what would hurt
the service. Knows nothing.
"""

MANIFEST_BYTES = 64_000_000
"""Of `model.json`, most of which are golden samples: those of the shipped models take 10 to 170 kB."""

GRAPH_BYTES = 2**31
"""Of a graph: what a protobuf can hold."""

FILE_BYTES = 64_000_000
"""Of any other file, the card and the sample sheets."""

FILES = 64
GRAPHS = 16
TENSORS = 32
"""Inputs, or outputs, of a graph."""

CLASSES = 65_536
STYLES = 64
GOLDEN = 64
DIRECTIONS = 256
METRICS = 256
SETTINGS = 256

NAME = 256
"""Letters of a file's name, a tensor's, an axis's."""

LINE = 200
"""Letters of a title, a class, or another short text."""

TEXT = 65_536
"""Letters of notes, or a protocol."""

LATENT = 65_536
AXES = 8
SIDE = 2**31 - 1
"""The longest axis."""

VALUES = 2**27
"""Values of one sample, and of all golden samples together: a picture of 6,600×6,600 in colour."""

VERSION = 999_999_999
