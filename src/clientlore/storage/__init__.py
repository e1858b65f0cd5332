"""The stores beside the control plane: files, lake, blobs, vectors, and the locks that keep writers apart.

Here: how bytes and rows are kept. Not here: what they mean.
"""
