"""What is tried and measured on files: items in, judgements out, and how good they are against labels.

Here: reading and writing JSON lines, the judgements as functions of what was read, figures with intervals. Not here:
how anything is judged (`clientlore.monitoring`), and anything that needs a home.
"""
