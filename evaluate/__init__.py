"""Measuring: judgements, win rates, benchmarks, and the pages that show them."""
