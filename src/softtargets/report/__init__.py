"""The command ``softtargets report``: what predictions in files show, for somebody else to read.

Files are mapped into memory and read a few million entries at a time, in one pass.
"""
