"""What goes out: a source gives rows, a format shapes them, a writer puts them into a file.

sources/ read the database or frozen files in constant memory. formats/ are pure functions of rows, one file each,
listed in FORMATS. writers/ turn rows into bytes. stream.py joins the three.
"""
