"""The fast path of policy training: shared prefixes, length buckets and kept reference log-probabilities.

Pure torch, like workers/training, which uses it. Nothing here changes what is computed, only how often.
"""
