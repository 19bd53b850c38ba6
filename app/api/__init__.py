"""JSON over HTTP, one module for each tag of openapi.yaml."""
