"""Datasets: samples parsed from files of strangers, their schema, split, statistics, picture and snapshots."""
