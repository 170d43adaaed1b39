"""The other side of each comparison: loops written by hand, as lean as Python allows, and peers."""
