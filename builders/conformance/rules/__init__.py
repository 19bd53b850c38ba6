"""Every rule of the kit, in the order in which they are tried."""

from builders.conformance.rules import build, ending, image, refusal, result

RULES = (*image.RULES, *build.RULES, *result.RULES, *refusal.RULES, *ending.RULES)
