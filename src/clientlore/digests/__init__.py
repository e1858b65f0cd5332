"""Who is told what, when, and how it looks: gates, windows, the digest itself, and why somebody got something or not.

Not here: sending (`delivery`), scoring (`monitoring`).
"""
