"""Bytes ↔ arrays: pictures, films, what is written into them, and sound. Knows codecs, neither HTTP nor engines."""
