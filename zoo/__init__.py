"""Models: inspecting, checking against the oracle, predicting, and the catalogue of models trained here."""
