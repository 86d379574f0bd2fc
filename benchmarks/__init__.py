"""Benchmarks of ``make bench``: results are ratios against a plain baseline in the same run."""
