"""Federated learning without a network in it: parameters, documents, rounds, averages; and a simulation of it all."""
