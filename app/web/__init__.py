"""Pages for people, over the same HTTP API that every other client uses."""
