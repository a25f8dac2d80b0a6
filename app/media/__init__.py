"""Bytes ↔ arrays: pictures and what is written into them. Knows Pillow and numpy, neither HTTP nor models."""
