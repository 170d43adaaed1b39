"""Event filtering: the pattern language, what each source shows to it, and what becomes of what no filter accepts."""

from lambdasim.filtering.criteria import FilterModel, Filters
from lambdasim.filtering.patterns import Pattern
from lambdasim.filtering.standalone import compile_pattern
from lambdasim.filtering.views import Settlement, settlement_of

__all__ = ["FilterModel", "Filters", "Pattern", "Settlement", "compile_pattern", "settlement_of"]
