"""The conformance kit: every rule of the builder contract, tried on an image."""

from builders.conformance.check import CHECK_LIMITS, check_image
from builders.conformance.models import ConformanceModel, ConformanceModels, shipped_models
from builders.conformance.report import Check, Outcome, Report

__all__ = [
    "CHECK_LIMITS",
    "Check",
    "ConformanceModel",
    "ConformanceModels",
    "Outcome",
    "Report",
    "check_image",
    "shipped_models",
]
