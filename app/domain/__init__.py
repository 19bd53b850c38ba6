"""Rules that cross capabilities, pure: no framework, no I/O."""
