"""The fast path of policy training: pairs packed and prompts read once, products and logits computed once and kept no
longer than needed, reference log-probabilities kept from run to run.

Pure torch, like workers/training, which uses it. Nothing here changes what is computed, only how.
"""
