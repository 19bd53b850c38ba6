"""The agent beside a microcontroller: verifies, flashes, boots and proves firmware, and speaks LwM2M for it."""
