"""The HTTP contract: models made from openapi.yaml, and its binding to handlers."""
