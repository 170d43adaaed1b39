"""Metrics under CloudWatch's names, over the meters that queues, functions and mappings keep anyway."""

from lambdasim.metrics.metrics import Metrics
from lambdasim.metrics.series import Series

__all__ = ["Metrics", "Series"]
