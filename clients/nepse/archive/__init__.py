"""The archive: the prices, the indices and the floor sheet of each session in files of a folder.
Imported by the command line.
Start with `archive.py`.
"""
