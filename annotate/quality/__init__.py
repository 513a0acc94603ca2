"""How good the answers are: progress, agreement, people. Reads only, apart from who may do what."""
