"""Files in: what format one has, what its columns become, what is wrong with which line, and all of it or nothing.

detect(path) -> columns(path, format) -> check(path, format, mapping, project) -> write(...)
"""
