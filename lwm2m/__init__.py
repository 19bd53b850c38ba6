"""LwM2M: paths, objects, codecs, registration, Object 5, the server, and the REST API that Leshan's users know."""
