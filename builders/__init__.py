"""Turns a model into firmware inside a partner's builder image, and signs what comes out."""
