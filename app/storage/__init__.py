"""The only SQL and the only blob I/O."""
