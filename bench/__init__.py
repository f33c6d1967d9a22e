"""Benchmarks of the hub: each figure beside a reference that ran in the same minute on the same machine."""
