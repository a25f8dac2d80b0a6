"""Bytes ↔ arrays: pictures, what is written into them, and sound. Knows codecs and numpy, neither HTTP nor engines."""
