"""Pages for people: one HTML file that shows what a tenant's days came to, and why.

Here: what is on a page and how it looks. Not here: decisions about what was folded, judged, stopped or mailed; a page
reads what is stored.
"""
